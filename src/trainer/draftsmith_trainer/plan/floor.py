"""The least time that training rows can take on a device whose matrix rate is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.survey import RowFacts
from ..draft.config import DraftConfig
from .rows import totals_of
from .shape import TargetShape
from .work import training_work


@dataclass(frozen=True)
class RowFloor:
    """Seconds of training by row.

    Attributes:
        facts: of the training rows, by number. anchors: maximum blocks drawn per row. soft: with soft labels.
        rate: operations per second of one process's device.
    """

    shape: TargetShape
    config: DraftConfig
    facts: RowFacts
    anchors: int
    rate: float
    soft: bool = False

    def __call__(self, rows: npt.NDArray[Any], computed: float) -> float:
        """Seconds that one device needs for ``rows`` once, at its matrix rate.

        Args:
            rows: row numbers. computed: share of them whose target states are computed, not remembered.
        """
        totals = totals_of(self.facts.take(np.asarray(rows)), self.anchors, self.config.block_size)
        work = training_work(self.shape, self.config, totals, self.soft)
        return (computed * (work.target + work.tower) + work.draft + work.head) / self.rate
