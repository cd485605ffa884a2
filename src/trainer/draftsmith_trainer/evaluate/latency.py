"""Latencies of plain and speculative decoding, from which a speedup can be predicted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..data.images import PixelReader
from ..data.shards import Row
from ..draft.model import DFlashDraft
from ..target import Target


@dataclass(frozen=True)
class LatencyPoint:
    """Medians in milliseconds at one concurrency.

    Attributes:
        context: mean tokens of a sequence when measuring began. rounds: steps that were measured of each kind.
        step: one token for every sequence, without a draft. draft: a block for every sequence, and the draft's context.
        verify: the target's pass over these blocks, and keeping what is accepted.
    """

    concurrency: int
    context: float
    rounds: int
    step: float
    draft: float
    verify: float

    def report(self) -> dict[str, Any]:
        """The point as JSON."""
        return {
            "concurrency": self.concurrency,
            "contextTokens": self.context,
            "rounds": self.rounds,
            "stepMs": self.step,
            "draftMs": self.draft,
            "verifyMs": self.verify,
        }


#: Measures a draft at a concurrency, on the prompts of rows. The ``evaluate`` job passes the reference server's, which
#: this package must not import.
MeasureLatency = Callable[[Target, DFlashDraft, PixelReader, Sequence[Row], int], LatencyPoint]
