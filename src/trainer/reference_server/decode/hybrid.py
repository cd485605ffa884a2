"""Taking back part of a verified block in models with recurrent layers (Qwen3.5's gated delta nets).

Keys and values are cut by forgetting their number. A recurrent state has no past to go back to: it is copied before the
block, and where not everything was accepted it is put back and led through the accepted tokens again. Only the mixers
need that, with the inputs they had: they are causal, so the accepted tokens' inputs do not depend on the rejected ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .cache import RowCache

if TYPE_CHECKING:
    from .decoder import Decoder


class RecurrentUndo:
    """Copies the first R rows' recurrent states and records the mixers' inputs from now until ``stop``."""

    def __init__(self, target: Decoder, cache: RowCache, rows: int) -> None:
        self._target = target
        self._cache = cache
        self._before = {index: states.copies(rows) for index, states in cache.recurrent.items()}
        self._inputs: dict[int, Tensor] = {}
        self._hooks = [
            target.text.layers[index].linear_attn.register_forward_pre_hook(self._record(index), with_kwargs=True)
            for index in cache.recurrent
        ]

    def stop(self) -> None:
        """Stops recording."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    @torch.inference_mode()
    def replay(self, counts: list[int], fed: int) -> None:
        """Leads every row of which fewer than ``fed`` tokens are kept through its first ``counts[r]`` tokens again."""
        for row, count in enumerate(counts):
            if count == fed:
                continue
            for index, states in self._cache.recurrent.items():
                conv, recurrent = self._before[index]
                states.write(row, (conv[row], recurrent[row]))
                states.lend(row, 1, has_past=True)
                mixer = self._target.text.layers[index].linear_attn
                mixer(hidden_states=self._inputs[index][row : row + 1, :count], cache_params=self._cache.states)

    def _record(self, index: int) -> Any:
        def hook(_module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
            self._inputs[index] = kwargs["hidden_states"]

        return hook
