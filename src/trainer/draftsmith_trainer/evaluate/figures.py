"""The figures of one draft over all walked responses."""

from __future__ import annotations

from typing import Any

from ..measure.measurer import ResponseWalk
from ..measure.tally import Tally
from .groups import grouped, summary
from .place_figures import PlaceFigures
from .records import Record, record_of


class DraftFigures:
    """Collects walks.

    Args:
        marked: whether the walks carry marks of their places.
    """

    def __init__(self, block_size: int, marked: bool) -> None:
        self.tally = Tally(block_size)
        self.records: list[Record] = []
        self._places = PlaceFigures(block_size) if marked else None

    def add(self, one: ResponseWalk) -> None:
        """Counts a response; one of a single token needs no step and is counted apart."""
        self.tally.add(one.start, one.end, one.accepted, one.row.dialogue_id, one.prefixes)
        if not one.accepted:
            return
        self.records.append(record_of(one))
        if self._places is not None:
            self._places.add(one)

    def report(self, break_even: float) -> dict[str, Any]:
        """The figures as JSON."""
        found = summary(self.records)
        return {
            **self.tally.report(),
            "blockSize": self.tally.block_size,
            **{key: found[key] for key in ("dialogues", "interval", "meanInterval")},
            "aboveBreakEven": self.tally.pooled >= break_even,
            "groups": grouped(self.records),
            **(self._places.report() if self._places is not None else dict.fromkeys(_BY_PLACE)),
        }


_BY_PLACE = ("places", "oracle", "calibration")
