"""Converts operations to hours on a GPU."""

from __future__ import annotations

from dataclasses import dataclass

from .cards import OPTIMIZER_BYTES, SCALING, SHARE, Card
from .scope import Scope
from .work import Work


@dataclass(frozen=True)
class Timing:
    """The duration of a run on GPUs of one model.

    Attributes:
        floor: lower bound on the seconds per step of one process. share: assumed share of the floor's rate reached.
        step: seconds per step. rows: training rows per second over all processes.
        train, evaluate: hours for the whole run; None if its length is not known.
    """

    card: Card
    floor: float
    share: float
    step: float
    rows: float
    train: float | None
    evaluate: float | None


def timing_on(
    card: Card,
    model_type: str,
    scope: Scope,
    train: Work,
    evaluate: Work,
    *,
    world: int,
    weights: int,
    draft: int,
) -> Timing | None:
    """The timing on a GPU; None if its rates are not known.

    Args:
        train, evaluate: operations of one pass over ``scope.train`` and ``scope.measured``.
        weights: bytes of the target's layers, which every pack reads. draft: parameters of the draft.
    """
    if card.matrix is None or card.copy is None:
        return None
    share = SHARE[model_type] * (SCALING if world > 1 else 1.0)
    read = weights / card.copy / scope.mean_pack
    rows = max(scope.train.rows, 1)
    passed = scope.batch / rows * (1 - scope.saved)
    target = max(train.target / card.matrix, read * scope.train.tokens)
    floor = passed * (target + train.tower / card.matrix)
    floor += scope.batch / rows * (train.draft + train.head) / card.matrix
    floor += draft * OPTIMIZER_BYTES / card.copy
    walk = max(evaluate.target / card.matrix, read * scope.measured.tokens) * (1 - scope.saved)
    walk += (evaluate.tower * (1 - scope.saved) + evaluate.draft + evaluate.head) / card.matrix
    step = floor / share
    extent = scope.extent
    return Timing(
        card=card,
        floor=floor,
        share=share,
        step=step,
        rows=scope.batch * world / step,
        train=None if extent is None else extent.steps * step / 3600,
        evaluate=None if extent is None else extent.evaluations * walk / share / world / 3600,
    )
