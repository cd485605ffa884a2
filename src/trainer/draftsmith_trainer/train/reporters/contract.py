"""What a tracker is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Reporting:
    """What a reporter is opened with.

    Attributes:
        directory: where it keeps its files; survives a stop, and a resumed run is given the same one.
        step: optimizer steps already done. What was reported for later steps is reported again.
        options: the run's options, as JSON. They name files, but hold no secrets.
    """

    directory: Path
    step: int
    options: dict[str, Any]


class Reporter(Protocol):
    """An open tracker."""

    def log(self, step: int, values: dict[str, float]) -> None:
        """Takes values measured at an optimizer step; names may hold slashes."""
        ...

    def close(self) -> None:
        """Writes what is buffered. A run may be continued later."""
        ...
