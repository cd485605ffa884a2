"""Adds up walks: pooled and mean accept length, per-place acceptance, histogram."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tally:
    """Counts over responses; two tallies of different rows add up.

    Attributes:
        histogram: ``histogram[a]`` steps accepted exactly a drafted tokens, a = 0..B-1.
        offered: ``offered[k-1]`` steps whose place k lay inside the response, k = 1..B-1.
        tokens: tokens produced by steps (all response tokens but the first).
        means: the sum of the responses' mean accept lengths.
        short: responses of one token, which need no step; they are in no average.
    """

    block_size: int
    histogram: list[int] = field(default_factory=list)
    offered: list[int] = field(default_factory=list)
    responses: int = 0
    tokens: int = 0
    means: float = 0.0
    short: int = 0

    def __post_init__(self) -> None:
        self.histogram = self.histogram or [0] * self.block_size
        self.offered = self.offered or [0] * (self.block_size - 1)

    def add(self, start: int, end: int, steps: list[int]) -> None:
        """Counts one response [start, end) whose walk took ``steps``."""
        if not steps:
            self.short += 1
            return
        self.responses += 1
        self.tokens += end - start - 1
        self.means += 1 + sum(steps) / len(steps)
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
        """1 + accepted drafts / steps; 1.0 without steps. SGLang also counts drafts behind the end, we do not."""
        return 1 + self.correct / self.steps if self.steps else 1.0

    def vector(self) -> list[float]:
        """All counts as one list, to be summed over ranks."""
        return [*self.histogram, *self.offered, self.responses, self.tokens, self.means, self.short]

    def replace(self, vector: list[float]) -> None:
        """Takes over the sums that :meth:`vector` of all ranks gave."""
        size = self.block_size
        self.histogram = [round(v) for v in vector[:size]]
        self.offered = [round(v) for v in vector[size : 2 * size - 1]]
        responses, tokens, self.means, short = vector[2 * size - 1 :]
        self.responses, self.tokens, self.short = round(responses), round(tokens), round(short)

    def report(self) -> dict[str, Any]:
        """The figures as JSON.

        ``perPosition`` has, for place k: steps whose place k was inside the response (offered), those that got as far
        (all before it right: reached), those that accepted it, and accepted / offered.
        """
        reached = [sum(self.histogram[place:]) for place in range(self.block_size)]
        return {
            "pooledAcceptLength": self.pooled,
            "tokensPerStep": self.tokens / self.steps if self.steps else 1.0,
            "meanAcceptLength": self.means / self.responses if self.responses else 1.0,
            "steps": self.steps,
            "correctDrafts": self.correct,
            "tokens": self.tokens,
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
