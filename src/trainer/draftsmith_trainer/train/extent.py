"""The length of a run in steps and evaluations, shared by the training loop and the plan."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .options import TrainOptions


@dataclass(frozen=True)
class Extent:
    """The length of a run that is not stopped early.

    Attributes:
        rows: training rows of an epoch. per_epoch: optimizer steps of an epoch. steps: of the whole run.
        eval_every: steps between evaluations.
    """

    rows: int
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


def extent(rows: int, options: TrainOptions, world: int) -> Extent:
    """The length of a run over ``rows`` training rows on ``world`` processes."""
    per_epoch = math.ceil(rows / (options.batch_size * world))
    planned = max(1, round(per_epoch * options.epochs))
    steps = min(planned, options.max_steps or planned)
    return Extent(rows, per_epoch, steps, options.eval_every or per_epoch)
