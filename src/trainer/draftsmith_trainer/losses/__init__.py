"""The training loss of a draft: weighted cross-entropy through the target's frozen lm_head."""

from .frozen_head import BlockLoss, frozen_head_loss
from .soft import SoftRule, SoftTargets
from .weights import LossRule, decay_weights, dpace_weights

__all__ = [
    "BlockLoss",
    "LossRule",
    "SoftRule",
    "SoftTargets",
    "decay_weights",
    "dpace_weights",
    "frozen_head_loss",
]
