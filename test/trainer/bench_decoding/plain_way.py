"""Batched decoding as transformers does it: its text model, its growing cache, one length for all rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache


class PlainWay:
    """Rows of equal length, so that nothing is spent on padding."""

    def __init__(self, model: Any) -> None:
        self._text = model.model.language_model
        self._head = model.lm_head
        self._cache: Any = None
        self._length = 0

    @torch.inference_mode()
    def prefill(self, ids: Tensor) -> Tensor:
        """int64 [R, S] -> the next token of each row."""
        self._cache, self._length = DynamicCache(config=self._text.config), 0
        return self.step(ids)

    @torch.inference_mode()
    def step(self, ids: Tensor) -> Tensor:
        """int64 [R, n] -> the next token of each row."""
        rows, tokens = ids.shape
        positions = torch.arange(self._length, self._length + tokens).expand(3, rows, -1)
        out = self._text(
            inputs_embeds=self._text.embed_tokens(ids),
            position_ids=positions,
            attention_mask=torch.ones(rows, self._length + tokens, dtype=torch.int64),
            past_key_values=self._cache,
            use_cache=True,
        )
        self._length += tokens
        best: Tensor = self._head(out.last_hidden_state[:, -1]).argmax(-1)
        return best
