"""Attention through torch's compiled flex_attention, with the mask as a function, not a tensor. Trains on CUDA only."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from ..base.eager import eager
from ..data.batch import Batch
from .layers import KeyValue
from .tiles import TILE, Tiles, tiles_of

#: Whether grouped key heads are repeated for the kernel. With few key heads, the backward pass has too little
#: parallelism to fill a GPU: each key tile loops over all query heads that share it.
REPEAT = True

#: Tiles of the backward kernel; measured on an H200 with heads of 128 (10 % over the defaults).
_OPTIONS = {
    "bwd_BLOCK_M1": 64,
    "bwd_BLOCK_N1": 128,
    "bwd_BLOCK_M2": 128,
    "bwd_BLOCK_N2": 64,
    "bwd_num_warps": 8,
    "bwd_num_stages": 2,
}
#: The same for wider heads, whose tiles of that shape exceed Hopper's 227 KiB of shared memory.
_WIDE_OPTIONS = {**_OPTIONS, "bwd_BLOCK_M1": 32, "bwd_BLOCK_N1": 64, "bwd_BLOCK_M2": 64, "bwd_BLOCK_N2": 32}


class FlexAttend:
    """Never materialises the [N * B, C + N * B] mask, and skips fully masked tiles.

    The visible tiles are computed on the host from the blocks' ranges. Contexts and blocks are padded to whole tiles,
    so that one compiled graph with a symbolic length serves every batch. A failed compilation is an error: falling back
    to the uncompiled form would materialise all scores.
    """

    def __init__(self, batch: Batch, windows: tuple[int | None, ...]) -> None:
        if batch.context % TILE or batch.ids.numel() % TILE:
            raise ValueError(f"flex attention needs contexts and blocks padded to multiples of {TILE}")
        self._size = batch.block_size
        # A tensor, because a Python number would become a constant of the compiled graph.
        self._context = torch.tensor(batch.context, dtype=torch.int32)
        self._low, self._high = batch.low, batch.high
        self._tiles = {window: tiles_of(batch, window) for window in set(windows)}
        self._rules: dict[int | None, Any] = {}

    def to(self, device: torch.device) -> FlexAttend:
        """A copy with its tensors on ``device``; the transfers are asynchronous."""
        self._context, self._low, self._high = (
            x.to(device, non_blocking=True) for x in (self._context, self._low, self._high)
        )
        self._rules = {window: self._rule(tiles.to(device), window) for window, tiles in self._tiles.items()}
        return self

    @eager
    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor:
        """See :class:`.layers.Attend`."""
        keys, values = (torch.cat(pair, dim=2) for pair in zip(context, block, strict=True))
        if REPEAT:
            group = q.shape[1] // keys.shape[1]
            keys, values = (x.repeat_interleave(group, dim=1) for x in (keys, values))
        attention, options = _compiled(), _OPTIONS if q.shape[-1] <= 128 else _WIDE_OPTIONS
        return attention(q, keys, values, block_mask=self._rules[window], enable_gqa=not REPEAT, kernel_options=options)

    def _rule(self, tiles: Tiles, window: int | None) -> Any:
        from torch.nn.attention.flex_attention import BlockMask

        size, length, low, high = self._size, self._context, self._low, self._high

        def visible(_row: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            number = query // size
            end = high[number]
            far = (key >= low[number]) & (key < end)
            near = (key >= length) & ((key - length) // size == number)
            if window is not None:
                place = query % size
                far = far & (key >= end + place - window + 1)
                behind = place - (key - length) % size
                near = near & (behind >= 0) & (behind < window)
            return far | near

        return BlockMask.from_kv_blocks(
            *tiles.tables, BLOCK_SIZE=TILE, mask_mod=visible, seq_lengths=(tiles.queries, tiles.keys)
        )


@cache
def _compiled() -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=True, fullgraph=True)
