"""Anchors of a row: where blocks may begin, and which of these places an epoch draws."""

from __future__ import annotations

import numpy as np

from .shards import Ints, Row


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
