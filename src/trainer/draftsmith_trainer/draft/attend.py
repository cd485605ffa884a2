"""The implementations of attention over context and blocks; they agree up to rounding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.batch import Batch, Document
from .chunks import Chunk, attend_chunks, chunks_of
from .layers import KeyValue
from .masks import block_mask, context_mask, inner_mask

AttentionKind = Literal["sdpa", "split", "flex", "kernel"]


class BatchAttend(Protocol):
    """Attention for one batch; draft layers call it as a :class:`.layers.Attend`."""

    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor: ...

    def to(self, device: torch.device) -> BatchAttend:
        """A copy with its tensors on ``device``."""
        ...


class _ByDocument:
    """Attention that processes a batch document by document, so cross-document scores are never computed.

    Masks are built once per batch and shared by the layers.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._size = batch.block_size
        # Padding is treated as one more document, without context, so that every parameter gets a (zero) gradient.
        padding = Document(0, 0, batch.blocks, len(batch.low))
        self._documents = (*batch.documents, padding) if padding.last > padding.first else batch.documents
        self._masks: dict[int | None, list[tuple[Tensor, ...]]] = {}

    def to(self, device: torch.device) -> _ByDocument:
        """A copy with its tensors on ``device``."""
        self._batch = self._batch.to(device)
        return self

    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor:
        """See :class:`.layers.Attend`."""
        if window not in self._masks:
            self._masks[window] = [self._mask(one, low, high, window, q.dtype) for one, low, high in self._ranges()]
        parts = [
            self._attend(*self._inputs(document, q, context, block), masks)
            for document, masks in zip(self._documents, self._masks[window], strict=True)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)

    def _inputs(
        self, document: Document, q: Tensor, context: KeyValue, block: KeyValue
    ) -> tuple[Tensor, KeyValue, KeyValue]:
        """A document's queries, context and block keys."""
        seen = [x[:, :, document.start : document.end] for x in context]
        own = slice(document.first * self._size, document.last * self._size)
        near = [x[:, :, own] for x in block]
        return q[:, :, own], (seen[0], seen[1]), (near[0], near[1])

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
    """The reference: one scaled-dot-product call per document, over all its keys with a boolean mask."""

    def _mask(
        self, document: Document, low: Tensor, high: Tensor, window: int | None, _dtype: torch.dtype
    ) -> tuple[Tensor, ...]:
        return (block_mask(low, high, self._size, document.end - document.start, window),)

    def _attend(self, q: Tensor, context: KeyValue, block: KeyValue, masks: tuple[Tensor, ...]) -> Tensor:
        return dense_attention(q, context, block, masks[0])


class SplitAttend(_ByDocument):
    """Context and block scores computed separately and joined under one softmax.

    Only its own block sees a block key, so the dense form masks out most of its N * B block scores per query. This form
    never computes them, which pays off when the context is short relative to N * B and there is no fused kernel: on a
    CPU. Without gradients it works by :mod:`.chunks`.
    """

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        self._chunks: dict[int | None, list[list[Chunk]]] = {}

    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor:
        """See :class:`.layers.Attend`."""
        if torch.is_grad_enabled():
            return super().__call__(q, context, block, window)
        if window not in self._chunks:
            made = [chunks_of(low, high, self._size, window, q.dtype) for _, low, high in self._ranges()]
            self._chunks[window] = made
        parts = [
            attend_chunks(*self._inputs(document, q, context, block), self._size, chunks)
            for document, chunks in zip(self._documents, self._chunks[window], strict=True)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)

    def _mask(
        self, document: Document, low: Tensor, high: Tensor, window: int | None, dtype: torch.dtype
    ) -> tuple[Tensor, ...]:
        """Additive masks: [1, 1, N * B, C] and [B, B]."""
        seen = context_mask(low, high, self._size, document.end - document.start, window).flatten(0, 1)[None, None]
        return _bias(seen, dtype), _bias(inner_mask(self._size, window, low.device), dtype)

    def _attend(self, q: Tensor, context: KeyValue, block: KeyValue, masks: tuple[Tensor, ...]) -> Tensor:
        (rows, heads, queries, width), kv_heads = q.shape, block[0].shape[1]
        size, length = self._size, context[0].shape[2]
        blocks, group = queries // size, heads // kv_heads
        q = q * width**-0.5
        # Stacks the heads that share keys along the query axis: [R, kv, group * N * B, D].
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
    """Inference on one block: every cached position is context, so nothing is masked unless there is a window."""

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
    """The implementation named ``kind`` for the blocks of ``batch`` (on the host, where its tables are built).

    Args:
        windows: the distinct windows of the draft's layers.
    """
    if kind == "kernel":
        from .kernel import KernelAttend

        return KernelAttend(batch, windows)
    if kind == "flex":
        from .flex import FlexAttend

        return FlexAttend(batch, windows)
    return (SplitAttend if kind == "split" else DenseAttend)(batch)


def dense_attention(q: Tensor, context: KeyValue, block: KeyValue, mask: Tensor | None) -> Tensor:
    """One call over context and block keys together, [R, heads, Q, D]; ``mask`` as from :func:`.masks.block_mask`."""
    keys, values = (torch.cat(pair, dim=2) for pair in zip(context, block, strict=True))
    if q.is_cuda and mask is not None:
        # With a mask and grouped keys, CUDA falls back to the kernel that materialises all scores: repeat keys instead.
        group = q.shape[1] // keys.shape[1]
        keys, values = keys.repeat_interleave(group, dim=1), values.repeat_interleave(group, dim=1)
        return F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
    return F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, enable_gqa=True)


def _bias(seen: Tensor, dtype: torch.dtype) -> Tensor:
    # The lowest finite number, not -inf: a fully masked row of -inf would give NaN, and so would its gradient.
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, torch.finfo(dtype).min)
