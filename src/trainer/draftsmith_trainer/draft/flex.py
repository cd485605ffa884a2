"""Attention through torch's compiled flex_attention: the mask is a rule, not a tensor. It trains on CUDA only."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from .attend import DenseAttend
from .layers import KeyValue


class FlexAttend(DenseAttend):
    """As :class:`DenseAttend`, without ever forming the [N * B, S + N * B] mask; skips tiles that nobody sees."""

    def __init__(self, anchors: Tensor, keep: Tensor, block_size: int, context: int) -> None:
        super().__init__(anchors, keep, block_size, context)
        self._rules: dict[int | None, Any] = {}

    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor:
        """See :class:`.layers.Attend`."""
        if window not in self._rules:
            self._rules[window] = self._rule(window)
        keys, values = (torch.cat(pair, dim=2) for pair in zip(context, block, strict=True))
        attention, _ = _compiled()
        return attention(q, keys, values, block_mask=self._rules[window], enable_gqa=True)

    def _rule(self, window: int | None) -> Any:
        anchors, keep, size, length = self._layout
        rows, blocks = anchors.shape

        def visible(row: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            number, place = query // size, query % size
            anchor = anchors[row, number]
            inside = key >= length
            far = ~inside & (key < anchor) & keep[row, number]
            near = inside & ((key - length) // size == number)
            if window is not None:
                far = far & (key >= anchor + place - window + 1)
                behind = place - (key - length) % size
                near = near & (behind >= 0) & (behind < window)
            return far | near

        _, create = _compiled()
        return create(visible, rows, None, blocks * size, length + blocks * size, device=anchors.device)


@cache
def _compiled() -> tuple[Any, Any]:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    return torch.compile(flex_attention, dynamic=True), torch.compile(create_block_mask, dynamic=True)
