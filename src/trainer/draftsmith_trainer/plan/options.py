"""The ``plan`` job's file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..base.typed_json import at_least
from ..train.options import TrainOptions


@dataclass(frozen=True)
class ExpectedRows:
    """Rows that do not exist yet, as whoever plans expects them.

    Attributes:
        rows: their number, held-out rows included. tokens: of a row. answers, supervised: responses of a row and the
            tokens of all of them. pictures: of a row. picture_tokens: of a picture, after the tower merges its patches.
    """

    rows: int = at_least(1)
    tokens: float = at_least(2)
    answers: float = at_least(0, above=True)
    supervised: float = at_least(0, above=True)
    pictures: float = at_least(0, 0)
    picture_tokens: float = at_least(0, 0)


@dataclass(frozen=True)
class PlanJob:
    """``plan``: a target, shards (None if they do not exist yet) and training options in, the run's cost out.

    Attributes:
        expected: stands in for shards that do not exist yet; None: the options' limits do.
    """

    target: Path
    shards: Path | None = None
    world: int = at_least(1, 1)
    options: TrainOptions = field(default_factory=TrainOptions)
    expected: ExpectedRows | None = None
