"""The loss written plainly, all logits at once: the reference that the chunked form is tested against."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .weights import LossRule


def eager_loss(hidden: Tensor, labels: Tensor, valid: Tensor, lm_head: Tensor, rule: LossRule) -> tuple[Tensor, Tensor]:
    """Weighted sum of cross-entropies (with gradient) and the sum of weights.

    Args and shapes as in :func:`.chunked.frozen_head_loss`.
    """
    logits = (hidden @ lm_head.T).float()
    losses = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none").view(labels.shape)
    weights = rule(valid, losses)
    return (weights * losses).sum(), weights.sum()
