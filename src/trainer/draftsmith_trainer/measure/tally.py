"""Aggregates walks: pooled and mean accept length, per-place acceptance, histogram."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from ..data.shards import Ints

#: Fractional bits of the fixed-point sum of means. Integer sums do not depend on order; a mean loses less than 2**-64.
_PLACES = 64


@dataclass
class Tally:
    """Counts over responses; tallies of disjoint rows can be merged.

    Attributes:
        histogram: ``histogram[a]`` counts steps that accepted exactly a drafted tokens, a = 0..B-1.
        offered: ``offered[k-1]`` counts steps whose place k lay inside the response, k = 1..B-1.
        tokens: tokens produced by steps (all response tokens but the first).
        means: the sum of the responses' mean accept lengths, times 2**64.
        short: responses of one token, which need no step and are left out of all averages.
        anchors, prefixes: candidate anchors, whether a walk visits them or not, and the sum of their correct prefixes:
            the held-out counterpart of what a training step measures at the anchors that it draws.
        dialogues: dialogue -> accepted drafted tokens and steps, the clusters that intervals resample.
    """

    block_size: int
    histogram: list[int] = field(default_factory=list)
    offered: list[int] = field(default_factory=list)
    responses: int = 0
    tokens: int = 0
    means: int = 0
    short: int = 0
    anchors: int = 0
    prefixes: int = 0
    dialogues: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.histogram = self.histogram or [0] * self.block_size
        self.offered = self.offered or [0] * (self.block_size - 1)

    def add(
        self, start: int, end: int, steps: list[int], dialogue: str | None = None, prefixes: Ints | None = None
    ) -> None:
        """Counts one response [start, end) whose walk took ``steps``.

        Args:
            dialogue: the cluster of the response; None leaves it out of :attr:`dialogues`.
            prefixes: the correct prefix at each of its candidate anchors, if known.
        """
        if not steps:
            self.short += 1
            return
        if dialogue is not None:
            counts = self.dialogues.setdefault(dialogue, [0, 0])
            counts[0] += sum(steps)
            counts[1] += len(steps)
        if prefixes is not None:
            self.anchors += len(prefixes)
            self.prefixes += int(prefixes.sum())
        self.responses += 1
        self.tokens += end - start - 1
        self.means += ((len(steps) + sum(steps)) << _PLACES) // len(steps)
        at = start
        for accepted in steps:
            self.histogram[accepted] += 1
            for place in range(min(self.block_size - 1, end - 1 - at)):
                self.offered[place] += 1
            at += accepted + 1

    @property
    def steps(self) -> int:
        """Verification steps."""
        return sum(self.histogram)

    @property
    def correct(self) -> int:
        """Accepted drafted tokens."""
        return sum(a * count for a, count in enumerate(self.histogram))

    @property
    def pooled(self) -> float:
        """1 + accepted drafts / steps; 1.0 without steps. Unlike SGLang, ignores drafts past the response's end."""
        return 1 + self.correct / self.steps if self.steps else 1.0

    @property
    def anchor_accept(self) -> float:
        """1 + mean correct prefix over all candidate anchors; 1.0 without anchors."""
        return 1 + self.prefixes / self.anchors if self.anchors else 1.0

    def merge(self, other: Tally) -> None:
        """Adds the counts of a tally of other rows."""
        assert other.block_size == self.block_size
        for one in fields(self)[1:]:
            setattr(self, one.name, _sum(getattr(self, one.name), getattr(other, one.name)))

    def report(self) -> dict[str, Any]:
        """The figures as JSON.

        ``perPosition`` has, for place k: steps whose place k was inside the response (offered), steps that accepted all
        places before it (reached), steps that accepted it, and accepted / offered.
        """
        reached = [sum(self.histogram[place:]) for place in range(self.block_size)]
        return {
            "pooledAcceptLength": self.pooled,
            "tokensPerStep": self.tokens / self.steps if self.steps else 1.0,
            "meanAcceptLength": self.means / (self.responses << _PLACES) if self.responses else 1.0,
            "steps": self.steps,
            "correctDrafts": self.correct,
            "tokens": self.tokens,
            "anchorAcceptLength": self.anchor_accept,
            "responses": self.responses,
            "oneTokenResponses": self.short,
            "histogram": list(self.histogram),
            "perPosition": [
                {
                    "place": k,
                    "offered": self.offered[k - 1],
                    "reached": reached[k - 1],
                    "accepted": reached[k],
                    "rate": reached[k] / self.offered[k - 1] if self.offered[k - 1] else 0.0,
                }
                for k in range(1, self.block_size)
            ],
        }


def _sum(mine: Any, theirs: Any) -> Any:
    """Counts added up: numbers, lists of equal length, or dictionaries of these."""
    if isinstance(mine, dict):
        return {**mine, **{key: _sum(mine[key], one) if key in mine else one for key, one in theirs.items()}}
    return [a + b for a, b in zip(mine, theirs, strict=True)] if isinstance(mine, list) else mine + theirs
