"""Which rows form which batch: a function of seed and epoch, so that a restart finds the same batches."""

from __future__ import annotations

import numpy as np

from .shards import Ints

#: How many batches are sorted by length together: large enough to waste little padding, small enough to stay shuffled.
_WINDOW = 16


def epoch_batches(lengths: Ints, usable: Ints, batch: int, seed: int, epoch: int) -> list[Ints]:
    """Batches of row numbers for one epoch; every usable row occurs exactly once.

    Rows are shuffled, cut into windows, sorted by length within a window (so that a batch pads little), cut into
    batches, and the batches shuffled again.

    Args:
        lengths: int64 [rows], tokens per row of the split.
        usable: the row numbers to use.
        batch: rows per batch, over all ranks together.
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
    """The rows of a global batch that a rank works on (possibly none, at an epoch's end), in the batch's order.

    Ranks wait for each other at every step, so that each gets about the same amount of work: the costliest row first,
    each to the rank with the least work so far (Graham's longest-processing-time rule; ties go to the earlier row and
    the lower rank).
    No two ranks differ by more than one row costs. All ranks come to the same shares without talking.

    Args:
        batch: row numbers. costs: int64 [len(batch)], the tokens of each.
    """
    if world == 1:
        return batch
    load, owner = [0] * world, np.zeros(len(batch), np.int64)
    for place in np.argsort(-costs, kind="stable"):
        least = min(range(world), key=lambda other: (load[other], other))
        owner[place] = least
        load[least] += int(costs[place])
    return batch[owner == rank]
