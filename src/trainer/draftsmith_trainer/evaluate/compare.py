"""Compares the offline walk with a real draft-and-verify loop: same steps, and the same output as greedy decoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..data.images import PixelReader
from ..data.shards import Row
from ..draft.model import DFlashDraft
from ..measure.measurer import ResponseWalk
from ..target import Target

#: Maximum number of differing responses listed in full.
_LISTED = 20


@dataclass(frozen=True)
class LoopOutcome:
    """The result of a real loop on one prompt.

    Attributes:
        ids: the new tokens. accepted: drafted tokens that entered the output, per verification step.
    """

    ids: list[int]
    accepted: list[int]


#: Decodes the response [start, end) of a row speculatively from the tokens and images before ``start``.
Loop = Callable[[Row, int, int], LoopOutcome]

#: Creates the loop for a draft. The ``evaluate`` job passes the reference server's, which this package must not import.
MakeLoop = Callable[[Target, DFlashDraft, PixelReader], Loop]


@dataclass
class Comparison:
    """Running totals over compared responses."""

    responses: int = 0
    equal_outputs: int = 0
    equal_steps: int = 0
    differing_steps: int = 0
    offline: list[int] = field(default_factory=list)
    looped: list[int] = field(default_factory=list)
    differences: list[dict[str, Any]] = field(default_factory=list)

    def add(self, offline: ResponseWalk, outcome: LoopOutcome) -> None:
        """Counts one response."""
        self.responses += 1
        self.offline += offline.accepted
        self.looped += outcome.accepted
        wanted = offline.row.input_ids[offline.start : offline.end].tolist()
        same_output = outcome.ids == wanted
        self.equal_outputs += same_output
        pairs = zip(offline.accepted, outcome.accepted, strict=False)
        differing = sum(a != b for a, b in pairs) + abs(len(offline.accepted) - len(outcome.accepted))
        self.differing_steps += differing
        self.equal_steps += differing == 0
        if (differing or not same_output) and len(self.differences) < _LISTED:
            self.differences.append(
                {
                    "dialogueId": offline.row.dialogue_id,
                    "row": offline.row.row,
                    "response": offline.response,
                    "sameOutput": same_output,
                    "firstOtherToken": _first_difference(wanted, outcome.ids),
                    "offline": offline.accepted,
                    "loop": outcome.accepted,
                }
            )

    def report(self, rows: int) -> dict[str, Any]:
        """The figures as JSON."""
        return {
            "rows": rows,
            "responses": self.responses,
            "steps": len(self.looped),
            "differingSteps": self.differing_steps,
            "equalSteps": self.equal_steps,
            "equalOutputs": self.equal_outputs,
            "offlinePooled": _pooled(self.offline),
            "loopPooled": _pooled(self.looped),
            "differences": self.differences,
        }


def _pooled(accepted: list[int]) -> float:
    return 1 + sum(accepted) / len(accepted) if accepted else 1.0


def _first_difference(a: list[int], b: list[int]) -> int | None:
    for place, (one, other) in enumerate(zip(a, b, strict=False)):
        if one != other:
            return place
    return None if len(a) == len(b) else min(len(a), len(b))
