"""Blocks of a batch: where they are anchored, what they hold, and what each place should say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .shards import Ints, Row


@dataclass(frozen=True)
class Blocks:
    """N blocks of size B for each of R rows; rows with fewer are padded.

    Attributes:
        anchors: int64 [R, N], 0 where padded. keep: bool [R, N].
        ids: int64 [R, N, B], the anchor's token, then the mask id.
        positions: int64 [R, N * B], anchor + 0..B-1.
        labels: int64 [R, N, B-1], the token at anchor + k, 0 where not valid.
        valid: bool [R, N, B-1].
    """

    anchors: Tensor
    keep: Tensor
    ids: Tensor
    positions: Tensor
    labels: Tensor
    valid: Tensor

    def to(self, device: torch.device) -> Blocks:
        """The same blocks on a device."""
        return Blocks(**{name: tensor.to(device, non_blocking=True) for name, tensor in vars(self).items()})


def candidates(row: Row) -> Ints:
    """Positions a block may be anchored at: a and a + 1 are both response tokens. int64, rising."""
    mask = row.loss_mask.astype(bool)
    found: Ints = np.flatnonzero(mask[:-1] & mask[1:])
    return found


def context_length(row: Row) -> int:
    """How much of a row blocks read: everything before its last candidate."""
    found = candidates(row)
    return int(found[-1]) if len(found) else 0


def draw_anchors(row: Row, count: int, seed: int, epoch: int) -> Ints:
    """Up to ``count`` candidates without replacement, sorted.

    A function of (seed, epoch, row) alone: no generator state has to be kept to resume, and it does not matter which
    rank or batch the row lands in.
    """
    found = candidates(row)
    if len(found) <= count:
        return found
    generator = np.random.Generator(np.random.PCG64([seed, epoch, row.index, 0xA7C4]))
    drawn: Ints = np.sort(generator.choice(found, size=count, replace=False))
    return drawn


def make_blocks(rows: list[Row], anchors: list[Ints], block_size: int, mask_id: int) -> Blocks:
    """Blocks of ``rows`` at ``anchors`` (one array per row, possibly empty)."""
    width = max(1, *(len(a) for a in anchors)) if anchors else 1
    parts = [_row_blocks(row, a, width, block_size, mask_id) for row, a in zip(rows, anchors, strict=True)]
    anchor, keep, ids, labels, valid = (torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True))
    positions = (anchor[..., None] + torch.arange(block_size)).flatten(1)
    return Blocks(anchor, keep, ids, positions, labels, valid)


def _row_blocks(row: Row, anchors: Ints, width: int, size: int, mask_id: int) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    length, count = len(row), len(anchors)
    anchor = np.zeros(width, np.int64)
    anchor[:count] = anchors
    keep = np.arange(width) < count
    ids = np.full((width, size), mask_id, np.int64)
    ids[:, 0] = row.input_ids[anchor]
    places = anchor[:, None] + np.arange(1, size)
    inside = places < length
    places = np.minimum(places, length - 1)
    valid = keep[:, None] & inside & (row.loss_mask[places] > 0)
    # Once a response has ended nothing behind its end can be drafted in service, even if another response begins there.
    valid = np.logical_and.accumulate(valid, axis=1)
    labels = np.where(valid, row.input_ids[places], 0).astype(np.int64)
    return anchor, keep, ids, labels, valid
