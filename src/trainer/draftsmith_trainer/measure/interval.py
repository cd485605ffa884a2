"""Confidence intervals of accept lengths, by the bootstrap over dialogues.

Steps of one dialogue resemble each other, so whole dialogues are drawn with replacement, not steps (a cluster
bootstrap; percentile intervals, Efron and Tibshirani 1993, chapter 13). Of two drafts on the same rows the same
dialogues are drawn for both, which takes out what makes a dialogue easy or hard for either of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..data.shards import Ints

#: Bounds of the interval, as quantiles of the resampled values.
LEVELS = (0.025, 0.975)
#: Resamples. The error of a bound is about 5 % of the interval's half-width.
DRAWS = 2000
#: Counts gathered at once; bounds memory to about 32 MB per column.
_AT_ONCE = 2**22

#: A lower and an upper bound.
Interval = tuple[float, float]


def resampled(counts: Ints, seed: int = 0, draws: int = DRAWS) -> Ints:
    """Column sums of resampled clusters, float64 [draws, m].

    Args:
        counts: [clusters, m]; the rows are drawn with replacement, as many as there are.
    """
    values = np.asarray(counts, np.float64)
    generator = np.random.Generator(np.random.PCG64([seed, len(values), 0xB007]))
    size = max(1, _AT_ONCE // max(1, len(values)))
    parts = []
    for start in range(0, draws, size):
        chosen = generator.integers(0, len(values), size=(min(size, draws - start), len(values)))
        # Column by column: gathering whole rows would take m times the memory.
        parts.append(np.stack([values[:, column][chosen].sum(axis=1) for column in range(values.shape[1])], axis=1))
    made: Ints = np.concatenate(parts)
    return made


def ratio_interval(counts: Ints, offset: float = 0.0, seed: int = 0) -> Interval | None:
    """The interval of ``offset`` + sum of column 0 / sum of column 1; None for fewer than two clusters.

    Args:
        counts: [clusters, 2]. Column 1 is not negative; clusters in which it is 0 are left out.
    """
    used = counts[counts[:, 1] > 0] if len(counts) else counts
    if len(used) < 2:
        return None
    sums = resampled(used, seed)
    return _bounds(offset + sums[:, 0] / sums[:, 1])


def difference_interval(one: Ints, other: Ints, seed: int = 0) -> Interval | None:
    """The interval of the difference of two ratios of the same clusters (``one`` less ``other``), each [clusters, 2].

    None for fewer than two clusters.
    """
    both = np.concatenate([one, other], axis=1)
    used = both[(both[:, 1] > 0) & (both[:, 3] > 0)] if len(both) else both
    if len(used) < 2:
        return None
    sums = resampled(used, seed)
    return _bounds(sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3])


def pooled_interval(dialogues: Mapping[str, Sequence[int]]) -> Interval | None:
    """The interval of a pooled accept length, 1 + accepted / steps.

    Args:
        dialogues: dialogue -> (accepted drafted tokens, steps).
    """
    return ratio_interval(_table(dialogues, sorted(dialogues)), offset=1.0)


def paired_interval(
    one: Mapping[str, Sequence[int]], other: Mapping[str, Sequence[int]]
) -> tuple[float, Interval | None]:
    """The difference of two pooled accept lengths (``one`` less ``other``) over the dialogues that both hold.

    Returns:
        The difference and its interval; 0.0 and None when they share no dialogue.
    """
    shared = sorted(one.keys() & other.keys())
    first, second = _table(one, shared), _table(other, shared)
    steps = first[:, 1].sum(), second[:, 1].sum()
    if not all(steps):
        return 0.0, None
    difference = float(first[:, 0].sum() / steps[0] - second[:, 0].sum() / steps[1])
    return difference, difference_interval(first, second)


def _table(dialogues: Mapping[str, Sequence[int]], names: Sequence[str]) -> Ints:
    made: Ints = np.array([dialogues[name] for name in names], np.int64).reshape(-1, 2)
    return made


def _bounds(values: Ints) -> Interval:
    low, high = np.quantile(values, LEVELS)
    return float(low), float(high)
