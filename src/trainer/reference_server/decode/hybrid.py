"""Rolls back the rejected part of a verified block in models with recurrent layers (Qwen3.5's gated delta nets).

Keys and values are rolled back by reducing their length. A recurrent state does not contain earlier states, so it is
copied before the block; if part of the block is rejected, the copy is restored and advanced over the accepted tokens.
Only the token mixers have to run again, on their recorded inputs: the model is causal, so the inputs of accepted tokens
do not depend on rejected ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .cache import RowCache
from .compat import cache_argument

if TYPE_CHECKING:
    from .decoder import Decoder


class RecurrentUndo:
    """Copies the recurrent states of the first ``rows`` rows and records the mixers' inputs until ``stop``."""

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
        """Rolls back each row that keeps fewer than ``fed`` tokens to its state after the first ``counts[r]``."""
        for row, count in enumerate(counts):
            if count == fed:
                continue
            for index, states in self._cache.recurrent.items():
                conv, recurrent = self._before[index]
                states.write(row, (conv[row], recurrent[row]))
                states.lend(row, 1, has_past=True)
                mixer = self._target.text.layers[index].linear_attn
                arguments = {cache_argument(mixer): self._cache.states}
                mixer(hidden_states=self._inputs[index][row : row + 1, :count], **arguments)

    def _record(self, index: int) -> Any:
        def hook(_module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
            self._inputs[index] = kwargs["hidden_states"]

        return hook
