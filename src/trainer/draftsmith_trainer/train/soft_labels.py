"""Soft labels of a batch, and whether a run can have them."""

from __future__ import annotations

from torch import Tensor

from ..algorithms.registry import algorithm_of
from ..base.errors import UserError
from ..data.batch import Batch
from ..draft.config import DraftConfig
from ..losses import SoftRule, SoftTargets
from ..target import Target, TargetSpec
from .options import TrainOptions


def soft_rule(options: TrainOptions) -> SoftRule | None:
    """How soft labels enter the loss; None without them."""
    return None if options.soft_labels is None else SoftRule(options.soft_labels, options.soft_temperature)


def soft_targets(states: Tensor, batch: Batch, target: Target, rule: SoftRule) -> SoftTargets:
    """The target's last states one position before each label of ``batch``: lm_head makes its distribution of them.

    Args:
        states: [T, width], with :attr:`.Target.final`. batch: on their device.
    """
    block, place = batch.places // batch.block_size, batch.places % batch.block_size
    at = batch.offset + batch.high[block].long() + place - 1
    return SoftTargets(states[at, -target.embed.shape[1] :], rule)


def check_soft_labels(config: DraftConfig) -> None:
    """Checks that the loss of the draft's head can learn from soft labels.

    Raises:
        UserError: ``bad-option``.
    """
    if not algorithm_of(config).soft_labels:
        message = f"softLabels: the loss of the draft head {config.algorithm.name} takes no soft labels"
        raise UserError("bad-option", message, "leave softLabels out, or use draft.head plain", "softLabels")


def soft_cost(config: DraftConfig, spec: TargetSpec) -> str:
    """What soft labels cost, as a sentence."""
    last, count = max(config.target_layer_ids) + 1, spec.num_layers
    return (
        f"soft labels: all {count} layers of the target are loaded and run, not only the first {last}"
        f" ({100 * (count / last - 1):.0f} % more), lm_head runs on the target's states too, and states of a token take"
        f" {100 / len(config.target_layer_ids):.0f} % more memory"
    )
