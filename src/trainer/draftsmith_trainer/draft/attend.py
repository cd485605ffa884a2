"""The implementations of attention over context and blocks; they agree with each other to rounding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.batch import Batch, Document
from .layers import KeyValue
from .masks import block_mask, context_mask, inner_mask

AttentionKind = Literal["sdpa", "split", "flex", "kernel"]


class BatchAttend(Protocol):
    """Attention for one batch, in the layers that draft layers call (:class:`.layers.Attend`)."""

    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor: ...

    def to(self, device: torch.device) -> BatchAttend:
        """The same with its tensors on a device."""
        ...


class _ByDocument:
    """Attention that takes a batch's documents one after the other: what none of them sees is never computed.

    Masks are built once a batch and shared by the layers.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._size = batch.block_size
        # Padding is one more document, without context: its parameters get gradients (zeros) like all others.
        padding = Document(0, 0, batch.blocks, len(batch.low))
        self._documents = (*batch.documents, padding) if padding.last > padding.first else batch.documents
        self._masks: dict[int | None, list[tuple[Tensor, ...]]] = {}

    def to(self, device: torch.device) -> _ByDocument:
        """The same on a device."""
        self._batch = self._batch.to(device)
        return self

    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor:
        """See :class:`.layers.Attend`."""
        if window not in self._masks:
            self._masks[window] = [self._mask(one, low, high, window, q.dtype) for one, low, high in self._ranges()]
        parts = []
        for document, masks in zip(self._documents, self._masks[window], strict=True):
            seen = [x[:, :, document.start : document.end] for x in context]
            own = slice(document.first * self._size, document.last * self._size)
            near = [x[:, :, own] for x in block]
            parts.append(self._attend(q[:, :, own], (seen[0], seen[1]), (near[0], near[1]), masks))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)

    def _ranges(self) -> Iterator[tuple[Document, Tensor, Tensor]]:
        for one in self._documents:
            own = slice(one.first, one.last)
            yield one, self._batch.low[own] - one.start, self._batch.high[own] - one.start

    def _mask(
        self, document: Document, low: Tensor, high: Tensor, window: int | None, dtype: torch.dtype
    ) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _attend(self, q: Tensor, context: KeyValue, block: KeyValue, masks: tuple[Tensor, ...]) -> Tensor:
        raise NotImplementedError


class DenseAttend(_ByDocument):
    """One scaled-dot-product call a document, over all its keys with a boolean mask: the reference."""

    def _mask(
        self, document: Document, low: Tensor, high: Tensor, window: int | None, _dtype: torch.dtype
    ) -> tuple[Tensor, ...]:
        return (block_mask(low, high, self._size, document.end - document.start, window),)

    def _attend(self, q: Tensor, context: KeyValue, block: KeyValue, masks: tuple[Tensor, ...]) -> Tensor:
        return dense_attention(q, context, block, masks[0])


class SplitAttend(_ByDocument):
    """Context and block scores computed apart and joined under one softmax.

    A block's keys are seen by that block only, so N * B of the dense form's keys are computed to be masked away. Here
    they are never formed, which pays when a context is short against N * B and no fused kernel is at hand: on a CPU.
    """

    def _mask(
        self, document: Document, low: Tensor, high: Tensor, window: int | None, dtype: torch.dtype
    ) -> tuple[Tensor, ...]:
        """Masks as numbers to add: [1, 1, N * B, C] and [B, B]."""
        seen = context_mask(low, high, self._size, document.end - document.start, window).flatten(0, 1)[None, None]
        return _bias(seen, dtype), _bias(inner_mask(self._size, window, low.device), dtype)

    def _attend(self, q: Tensor, context: KeyValue, block: KeyValue, masks: tuple[Tensor, ...]) -> Tensor:
        (rows, heads, queries, width), kv_heads = q.shape, block[0].shape[1]
        size, length = self._size, context[0].shape[2]
        blocks, group = queries // size, heads // kv_heads
        q = q * width**-0.5
        # Heads that share keys are laid side by side along the query axis: [R, kv, group * N * B, D].
        stacked = q.reshape(rows, kv_heads, group * queries, width)
        far = (stacked @ context[0].transpose(-1, -2)).view(rows, heads, queries, length) + masks[0]
        tiles = q.view(rows, kv_heads, group, blocks, size, width)
        key, value = (x.unflatten(2, (blocks, size))[:, :, None] for x in block)
        near = (tiles @ key.transpose(-1, -2)).view(rows, heads, blocks, size, size) + masks[1]
        scores = torch.cat((far, near.view(rows, heads, queries, size)), dim=-1)
        share = scores.softmax(dim=-1, dtype=torch.float32).to(q.dtype)
        far, near = share.split((length, size), dim=-1)
        mixed = far.reshape(rows, kv_heads, group * queries, length) @ context[1]
        tiles = near.reshape(rows, kv_heads, group, blocks, size, size) @ value
        return mixed.view(rows, heads, queries, width) + tiles.view(rows, heads, queries, width)


class CachedAttend:
    """For inference on one block: every cached position is context, so without a window nothing is masked."""

    def __init__(self, block_size: int) -> None:
        self._block_size = block_size

    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor:
        """See :class:`.layers.Attend`; q holds exactly one block per row."""
        length = context[0].shape[2]
        mask = None
        if window is not None:
            high = torch.full((1,), length, device=q.device)
            mask = block_mask(high * 0, high, self._block_size, length, window)
        return dense_attention(q, context, block, mask)


def make_attend(kind: AttentionKind, batch: Batch, windows: tuple[int | None, ...] = (None,)) -> BatchAttend:
    """The implementation named ``kind`` for the blocks of ``batch`` (on the host, where tables are made).

    Args:
        windows: the windows of the draft's layers.
    """
    if kind == "kernel":
        from .kernel import KernelAttend

        return KernelAttend(batch, windows)
    if kind == "flex":
        from .flex import FlexAttend

        return FlexAttend(batch, windows)
    return (SplitAttend if kind == "split" else DenseAttend)(batch)


def dense_attention(q: Tensor, context: KeyValue, block: KeyValue, mask: Tensor | None) -> Tensor:
    """One call over context and block keys together, [R, heads, Q, D]; ``mask`` as :func:`.masks.block_mask` has it."""
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
