"""The length of a run in steps and evaluations, shared by the training loop and the plan."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .options import TrainOptions


@dataclass(frozen=True)
class Extent:
    """The length of a run that is not stopped early.

    Attributes:
        rows: training rows of an epoch. batch: rows of a step, over all processes. per_epoch: optimizer steps of an
            epoch. steps: of the whole run. eval_every: steps between evaluations.
    """

    rows: int
    batch: int
    per_epoch: int
    steps: int
    eval_every: int

    @property
    def passes(self) -> float:
        """Average number of times that each training row is trained on."""
        return self.steps / self.per_epoch

    @property
    def evaluations(self) -> int:
        """Number of evaluations: before the first step, at every interval, and at the end."""
        return 1 + math.ceil(self.steps / self.eval_every)


def rows_per_step(options: TrainOptions, world: int) -> int:
    """Rows of an optimizer step over ``world`` processes: what decides the order of rows, and so the numbers."""
    return options.batch_size * options.accumulate * world


def extent(rows: int, options: TrainOptions, batch: int) -> Extent:
    """The length of a run over ``rows`` training rows with ``batch`` of them a step."""
    per_epoch = math.ceil(rows / batch)
    planned = max(1, round(per_epoch * options.epochs))
    steps = min(planned, options.max_steps or planned)
    return Extent(rows, batch, per_epoch, steps, options.eval_every or per_epoch)
