"""Assigns rows to batches as a function of seed and epoch, so that a resumed run sees the same batches."""

from __future__ import annotations

import numpy as np

from .shards import Ints

#: How many batches are sorted by length together: large enough to waste little padding, small enough to stay shuffled.
_WINDOW = 16


def epoch_batches(lengths: Ints, usable: Ints, batch: int, seed: int, epoch: int) -> list[Ints]:
    """Batches of row numbers for one epoch; every usable row occurs exactly once.

    Rows are shuffled, split into windows, sorted by length within each window (to limit padding) and split into
    batches; the batches are then shuffled.

    Args:
        lengths: int64 [rows], tokens per row of the split.
        usable: the row numbers to use.
        batch: rows per batch, over all ranks.
    """
    generator = np.random.Generator(np.random.PCG64([seed, epoch, 0x0BDE]))
    order = generator.permutation(usable)
    batches: list[Ints] = []
    for start in range(0, len(order), batch * _WINDOW):
        window = order[start : start + batch * _WINDOW]
        window = window[np.argsort(lengths[window], kind="stable")]
        batches += [window[i : i + batch] for i in range(0, len(window), batch)]
    return [batches[i] for i in generator.permutation(len(batches))]


def rank_part(batch: Ints, costs: Ints, rank: int, world: int) -> Ints:
    """One rank's share of a global batch (possibly empty at the end of an epoch), in the batch's order.

    Ranks wait for each other at every step, so the load is balanced: rows are assigned from the costliest down, each to
    the least loaded rank (Graham's longest-processing-time rule; ties go to the earlier row and the lower rank).
    The loads of two ranks differ by at most the cost of one row. All ranks compute the same shares without
    communicating.

    Args:
        batch: row numbers. costs: int64 [len(batch)], tokens per row.
    """
    if world == 1:
        return batch
    load, owner = [0] * world, np.zeros(len(batch), np.int64)
    for place in np.argsort(-costs, kind="stable"):
        least = min(range(world), key=lambda other: (load[other], other))
        owner[place] = least
        load[least] += int(costs[place])
    return batch[owner == rank]
