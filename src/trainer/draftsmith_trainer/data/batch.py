"""A batch: blocks of several documents, the context they attend to, and the labels of their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .shards import Ints, Row

_TENSORS = ("context_positions", "low", "high", "ids", "positions", "places", "labels")


@dataclass(frozen=True)
class Document:
    """One row's part of a batch: context tokens start..end - 1 and blocks first..last - 1."""

    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True)
class Batch:
    """The input of one draft pass: C context tokens, N blocks of B places, P places with a label.

    Attributes:
        documents: the rows' parts, in order (host).
        offset: index in the buffer of captured states where the context begins (host).
        context_positions: int64 [C]; for an mrope draft [3, C].
        low, high: int32 [N]; block n sees the context low[n] .. high[n] - 1. An empty range marks padding.
        ids: int64 [N, B], the anchor's token followed by mask ids.
        positions: int64 [N * B]; for an mrope draft [3, N * B].
        places: int64 [P], n * B + k for every place k >= 1 of block n that has a label, ascending.
        labels: int64 [P], the token at anchor + k.
        ends: int64 [N + 1], cumulative label counts: entry n counts the labels of blocks 0..n - 1 (host).
        blocks: number of blocks that are not padding; they come first (host).
    """

    documents: tuple[Document, ...]
    offset: int
    context_positions: Tensor
    low: Tensor
    high: Tensor
    ids: Tensor
    positions: Tensor
    places: Tensor
    labels: Tensor
    ends: Ints
    blocks: int

    @property
    def context(self) -> int:
        """C."""
        return self.context_positions.shape[-1]

    @property
    def block_size(self) -> int:
        """B."""
        return self.ids.shape[1]

    def to(self, device: torch.device) -> Batch:
        """A copy with its tensors on ``device``; the transfers are asynchronous."""
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in _TENSORS})

    def pinned(self) -> Batch:
        """A copy in pinned memory, from which transfers to a CUDA device do not block."""
        return replace(self, **{name: getattr(self, name).pin_memory() for name in _TENSORS})


def make_batch(
    rows: Sequence[Row],
    anchors: Sequence[Ints],
    starts: Sequence[int],
    block_size: int,
    mask_id: int,
    positions: Sequence[Ints] | None = None,
    multiple: int = 1,
) -> Batch:
    """Builds the batch of blocks of ``rows`` at ``anchors``.

    Args:
        anchors: one array per row, ascending, possibly empty.
        starts: where each row's states begin in the buffer, ascending; a row's context ends at its last anchor.
        positions: int64 [3, S] for each row, for an mrope draft; None numbers tokens from 0.
        multiple: C and N * B are padded up to a multiple of it. Context padding follows all visible positions.
    """
    parts = [_row_blocks(row, a, block_size, mask_id) for row, a in zip(rows, anchors, strict=True)]
    counts = [len(a) for a in anchors]
    padding = -sum(counts) % (np.lcm(multiple, block_size) // block_size) if sum(counts) else multiple
    # A batch without blocks still gets one padding block, so that every parameter receives a (zero) gradient.
    padding = max(padding, 1) if not sum(counts) else padding
    offset = int(starts[0]) if len(rows) else 0
    ends = [int(start) - offset + (int(a[-1]) if len(a) else 0) for start, a in zip(starts, anchors, strict=True)]
    context = -(-max([1, *ends]) // multiple) * multiple
    low = [np.full(len(a), start - offset, np.int32) for start, a in zip(starts, anchors, strict=True)]
    high = [(start - offset + a).astype(np.int32) for start, a in zip(starts, anchors, strict=True)]
    blank = np.zeros(padding, np.int32)
    ids = np.concatenate([*(part[0] for part in parts), np.full((padding, block_size), mask_id, np.int64)])
    labels = np.concatenate([*(part[1] for part in parts), np.full((padding, block_size), -1, np.int64)])
    first = np.cumsum([0, *counts])
    places = np.flatnonzero(labels.reshape(-1) >= 0)
    return Batch(
        documents=tuple(
            Document(int(start) - offset, end, int(first[i]), int(first[i + 1]))
            for i, (start, end) in enumerate(zip(starts, ends, strict=True))
            if counts[i]
        ),
        offset=offset,
        context_positions=torch.from_numpy(_context_positions(rows, starts, context, positions)),
        low=torch.from_numpy(np.concatenate([*low, blank])),
        high=torch.from_numpy(np.concatenate([*high, blank])),
        ids=torch.from_numpy(ids),
        positions=torch.from_numpy(_block_positions(rows, anchors, block_size, padding, positions)),
        places=torch.from_numpy(places),
        labels=torch.from_numpy(labels.reshape(-1)[places]),
        ends=np.concatenate([[0], (labels >= 0).sum(axis=1).cumsum()]),
        blocks=sum(counts),
    )


def _row_blocks(row: Row, anchors: Ints, size: int, mask_id: int) -> tuple[Ints, Ints]:
    """Ids [N, B] and labels [N, B] (-1: none) of a row's blocks."""
    ids = np.full((len(anchors), size), mask_id, np.int64)
    ids[:, 0] = row.input_ids[anchors]
    places = anchors[:, None] + np.arange(size)
    inside = places < len(row)
    places = np.minimum(places, len(row) - 1)
    valid = inside & (row.loss_mask[places] > 0)
    # When serving, nothing past the end of a response can be drafted, even if another response begins there.
    valid = np.logical_and.accumulate(valid, axis=1)
    valid[:, 0] = False
    return ids, np.where(valid, row.input_ids[places], -1).astype(np.int64)


def _context_positions(
    rows: Sequence[Row], starts: Sequence[int], context: int, positions: Sequence[Ints] | None
) -> Ints:
    made: Ints = np.zeros((1 if positions is None else 3, context), np.int64)
    for i, start in enumerate(starts):
        at = int(start) - int(starts[0])
        until = min(context, int(starts[i + 1]) - int(starts[0]) if i + 1 < len(rows) else context)
        if positions is None:
            made[:, at:until] = np.arange(until - at)
        else:
            length = min(until - at, positions[i].shape[1])
            made[:, at : at + length] = positions[i][:, :length]
    return made[0] if positions is None else made


def _block_positions(
    rows: Sequence[Row], anchors: Sequence[Ints], size: int, padding: int, positions: Sequence[Ints] | None
) -> Ints:
    """Positions of places. An mrope draft uses the target's; past a row's end they increase by one per token."""
    made = []
    for i, (row, a) in enumerate(zip(rows, anchors, strict=True)):
        places = (a[:, None] + np.arange(size)).reshape(-1)
        if positions is None:
            made.append(places[None])
        else:
            inside = np.minimum(places, len(row) - 1)
            made.append(positions[i][:, inside] + (places - inside))
    blank = np.tile(np.arange(size), padding)[None].repeat(1 if positions is None else 3, axis=0)
    joined: Ints = np.concatenate([*made, blank], axis=1).astype(np.int64)
    return joined[0] if positions is None else joined
