"""Anchors of a row: where blocks may begin, and which of these positions an epoch samples."""

from __future__ import annotations

import numpy as np

from .shards import Ints, Row


def candidates(row: Row) -> Ints:
    """Positions a where a block may be anchored: a and a + 1 are both response tokens. int64, ascending."""
    mask = row.loss_mask.astype(bool)
    found: Ints = np.flatnonzero(mask[:-1] & mask[1:])
    return found


def context_length(row: Row) -> int:
    """Number of leading tokens that a row's blocks can attend to: all before its last candidate."""
    found = candidates(row)
    return int(found[-1]) if len(found) else 0


def draw_anchors(row: Row, count: int, seed: int, epoch: int) -> Ints:
    """Samples up to ``count`` candidates without replacement, sorted.

    The result depends on (seed, epoch, row) alone, so resuming needs no generator state and the row's rank and batch
    do not matter.
    """
    found = candidates(row)
    if len(found) <= count:
        return found
    generator = np.random.Generator(np.random.PCG64([seed, epoch, row.index, 0xA7C4]))
    drawn: Ints = np.sort(generator.choice(found, size=count, replace=False))
    return drawn
