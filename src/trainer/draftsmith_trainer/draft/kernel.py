"""Attention over context and blocks through our own CUDA kernel, which takes the mask as two numbers per query."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.eager import eager
from ..data.batch import Batch
from ..data.shards import Ints
from .layers import KeyValue
from .tiles import TILE


def fits_kernel(head_dim: int, block_size: int) -> bool:
    """Whether the kernel supports heads of this width and blocks of this size."""
    return TILE // 2 % block_size == 0 and head_dim in (16, 32, 64, 128, 256)


class KernelAttend:
    """See :mod:`draftsmith_trainer.kernels.block_attention`. Contexts and blocks are padded to whole tiles."""

    def __init__(self, batch: Batch, windows: tuple[int | None, ...]) -> None:
        if batch.context % TILE or batch.ids.numel() % TILE or TILE % batch.block_size:
            raise ValueError(f"the attention kernel needs contexts and blocks padded to multiples of {TILE}")
        self._size, self._context = batch.block_size, batch.context
        self._tables = {window: ranges_of(batch, window) for window in set(windows)}

    def to(self, device: torch.device) -> KernelAttend:
        """A copy with its tensors on ``device``; the transfers are asynchronous."""
        self._tables = {
            window: tuple(table.to(device, non_blocking=True) for table in tables)
            for window, tables in self._tables.items()
        }
        return self

    @eager
    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor:
        """See :class:`.layers.Attend`; one row."""
        keys, values = (torch.cat(pair, dim=2)[0] for pair in zip(context, block, strict=True))
        out: Tensor = _BlockAttention.apply(
            q[0].contiguous(), keys, values, self._tables[window], self._context, self._size, window or 0
        )
        return out[None]


def ranges_of(batch: Batch, window: int | None) -> tuple[Tensor, ...]:
    """The kernel's tables, int32, on the host. All ranges are half-open.

    Returns:
        The context range that each query row sees: its start [Q] and its end [Q]. For each query tile [tiles, 4], in
        tokens: the range of key tiles that any of its rows sees, and within it the range of those that all of its rows
        see in full (an empty range lies at its end). For each context tile [tiles, 2]: the range of query tiles that
        see it.
    """
    size, rows = batch.block_size, batch.ids.numel()
    low, high = (np.repeat(x.numpy().astype(np.int64), size) for x in (batch.low, batch.high))
    if window is not None:
        low = np.minimum(np.maximum(low, high + np.tile(np.arange(size), rows // size) - window + 1), high)
    tiles_low, tiles_high = low.reshape(-1, TILE), high.reshape(-1, TILE)
    real = tiles_high > tiles_low
    some = real.any(axis=1)
    far = np.iinfo(np.int64).max
    first = np.where(some, np.where(real, tiles_low, far).min(axis=1) // TILE * TILE, 0)
    last = np.where(some, -(-np.where(real, tiles_high, 0).max(axis=1) // TILE) * TILE, 0)
    whole = -(-tiles_low.max(axis=1) // TILE) * TILE
    until = tiles_high.min(axis=1) // TILE * TILE
    usable = real.all(axis=1) & (whole < until)
    whole, until = np.where(usable, whole, last), np.where(usable, until, last)
    ranges = np.stack([first, last, whole, until], axis=1)
    return tuple(
        torch.from_numpy(np.ascontiguousarray(x.astype(np.int32)))
        for x in (low, high, ranges, _seen_by(first, last, batch.context // TILE))
    )


def _seen_by(first: Ints, last: Ints, tiles: int) -> Ints:
    made = np.zeros((tiles, 2), np.int64)
    for tile in range(tiles):
        seeing = np.flatnonzero((first < (tile + 1) * TILE) & (last > tile * TILE))
        if len(seeing):
            made[tile] = seeing[0], seeing[-1] + 1
    return made


class _BlockAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, tables: tuple[Tensor, ...], context: int, size: int, window: int
    ) -> Tensor:
        from ..kernels.block_attention import forward

        layout = (tables, context, size, window, q.shape[-1] ** -0.5)
        out, lse = forward(q, k, v, *layout)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.layout = layout
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        from ..kernels.block_attention import backward

        return (*backward(grads[0], *ctx.saved_tensors, *ctx.layout), None, None, None, None)
