"""The ``plan`` job's file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..base.typed_json import at_least
from ..train.options import TrainOptions


@dataclass(frozen=True)
class PlanJob:
    """``plan``: a target, shards (None if they do not exist yet) and training options in, the run's cost out."""

    target: Path
    shards: Path | None = None
    world: int = at_least(1, 1)
    options: TrainOptions = field(default_factory=TrainOptions)
