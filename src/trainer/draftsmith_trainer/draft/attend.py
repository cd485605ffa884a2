"""The implementations of attention over context and blocks; they agree with each other to rounding."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .layers import KeyValue
from .masks import block_mask, context_mask, inner_mask

AttentionKind = Literal["sdpa", "split", "flex"]


class DenseAttend:
    """One scaled-dot-product call over all keys with a boolean mask. Masks are built once a batch."""

    def __init__(self, anchors: Tensor, keep: Tensor, block_size: int, context: int) -> None:
        self._layout = (anchors, keep, block_size, context)
        self._masks: dict[int | None, Tensor] = {}

    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor:
        """See :class:`.layers.Attend`."""
        if window not in self._masks:
            self._masks[window] = block_mask(*self._layout, window)
        return _dense(q, context, block, self._masks[window])


class SplitAttend:
    """Context and block scores computed apart and joined under one softmax.

    A block's keys are seen by that block only, so N * B of the dense form's keys are computed to be masked away. Here
    they are never formed, which pays when S is short against N * B and no fused kernel is at hand: on a CPU.
    """

    def __init__(self, anchors: Tensor, keep: Tensor, block_size: int, context: int) -> None:
        self._layout = (anchors, keep, block_size, context)
        self._masks: dict[int | None, tuple[Tensor, Tensor]] = {}

    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor:
        """See :class:`.layers.Attend`."""
        outer, inner = self._bias(window, q.dtype)
        (rows, heads, queries, width), kv_heads = q.shape, block[0].shape[1]
        size, length = self._layout[2], self._layout[3]
        blocks, group = queries // size, heads // kv_heads
        q = q * width**-0.5
        # Heads that share keys are laid side by side along the query axis: [R, kv, group * N * B, D].
        stacked = q.reshape(rows, kv_heads, group * queries, width)
        far = (stacked @ context[0].transpose(-1, -2)).view(rows, heads, queries, length) + outer
        tiles = q.view(rows, kv_heads, group, blocks, size, width)
        key, value = (x.view(rows, kv_heads, 1, blocks, size, width) for x in block)
        near = (tiles @ key.transpose(-1, -2)).view(rows, heads, blocks, size, size) + inner
        scores = torch.cat((far, near.view(rows, heads, queries, size)), dim=-1)
        share = scores.softmax(dim=-1, dtype=torch.float32).to(q.dtype)
        far, near = share.split((length, size), dim=-1)
        mixed = far.reshape(rows, kv_heads, group * queries, length) @ context[1]
        tiles = near.view(rows, kv_heads, group, blocks, size, size) @ value
        return mixed.view(rows, heads, queries, width) + tiles.view(rows, heads, queries, width)

    def _bias(self, window: int | None, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Masks as numbers to add: [R, 1, N * B, S] and [B, B]."""
        if window not in self._masks:
            anchors, keep, size, length = self._layout
            seen = context_mask(anchors, keep, size, length, window).flatten(1, 2)[:, None]
            inner = inner_mask(size, window, anchors.device)
            self._masks[window] = (_bias(seen, dtype), _bias(inner, dtype))
        return self._masks[window]


class CachedAttend:
    """For inference on one block: every cached position is context, so without a window nothing is masked."""

    def __init__(self, block_size: int) -> None:
        self._block_size = block_size

    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor:
        """See :class:`.layers.Attend`; q holds exactly one block per row."""
        length = context[0].shape[2]
        mask = None
        if window is not None:
            anchor = torch.full((1, 1), length, device=q.device)
            mask = block_mask(anchor, torch.ones_like(anchor, dtype=torch.bool), self._block_size, length, window)
        return _dense(q, context, block, mask)


def make_attend(
    kind: AttentionKind, anchors: Tensor, keep: Tensor, block_size: int, context: int
) -> DenseAttend | SplitAttend:
    """The implementation named ``kind`` for blocks at ``anchors`` [R, N] over a context of ``context`` positions."""
    if kind == "flex":
        from .flex import FlexAttend

        return FlexAttend(anchors, keep, block_size, context)
    return (SplitAttend if kind == "split" else DenseAttend)(anchors, keep, block_size, context)


def _dense(q: Tensor, context: KeyValue, block: KeyValue, mask: Tensor | None) -> Tensor:
    keys, values = (torch.cat(pair, dim=2) for pair in zip(context, block, strict=True))
    if q.is_cuda and mask is not None:
        # With a mask, shared key heads leave CUDA only the kernel that forms all scores: repeated keys cost less.
        group = q.shape[1] // keys.shape[1]
        keys, values = keys.repeat_interleave(group, dim=1), values.repeat_interleave(group, dim=1)
        return F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
    return F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, enable_gqa=True)


def _bias(seen: Tensor, dtype: torch.dtype) -> Tensor:
    # The lowest finite number, not -inf: a row of -inf alone would turn into NaN, and so would its gradient.
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, torch.finfo(dtype).min)
