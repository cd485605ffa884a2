"""Judges an evaluation against the best one so far: better, worse by more than chance, or undecided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..measure.interval import Interval, paired_interval, pooled_interval
from ..measure.tally import Tally


@dataclass(frozen=True)
class Verdict:
    """What an evaluation says beside the best one.

    Attributes:
        better: its pooled accept length is the highest so far.
        miss: it counts towards the patience of an early stop.
        interval: of its pooled accept length. difference: to the best one before it, on the same dialogues, with the
            difference's interval; None for the first evaluation.
    """

    better: bool
    miss: bool
    interval: Interval | None
    difference: float | None = None
    difference_interval: Interval | None = None

    @property
    def word(self) -> Literal["best", "miss", "undecided"]:
        """The verdict in a word."""
        return "best" if self.better else "miss" if self.miss else "undecided"

    def misses(self, before: int) -> int:
        """Misses in a row after this evaluation, from those before it."""
        return before + 1 if self.miss else 0 if self.better else before

    def report(self) -> dict[str, Any]:
        """The verdict as JSON."""
        return {
            "verdict": self.word,
            "interval": None if self.interval is None else list(self.interval),
            "difference": self.difference,
            "differenceInterval": None if self.difference_interval is None else list(self.difference_interval),
        }


def judge(tally: Tally, best: Mapping[str, list[int]], best_value: float, first: bool, gain: float) -> Verdict:
    """Judges ``tally`` against the best evaluation so far.

    An evaluation is a miss when even the upper bound of its paired difference to the best is at most ``gain``: chance
    hardly explains that it is no better. One that is not better, but whose interval reaches above ``gain``, decides
    nothing: it neither stops a run nor restarts the patience. With fewer than two dialogues there is no interval, and
    every evaluation that is not better is a miss.

    Args:
        best: the best evaluation's counts by dialogue (:attr:`.Tally.dialogues`). best_value: its pooled accept length.
        first: whether nothing was evaluated before, or nothing can be: then the latest draft is the best guess.
        gain: smallest difference in accept length that counts as progress.
    """
    interval = pooled_interval(tally.dialogues)
    if first:
        return Verdict(True, False, interval)
    difference, bounds = paired_interval(tally.dialogues, best)
    better = tally.pooled > best_value
    miss = not better if bounds is None else bounds[1] <= gain
    return Verdict(better, miss, interval, difference, bounds)
