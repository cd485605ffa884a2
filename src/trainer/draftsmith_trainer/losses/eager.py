"""A straightforward loss over all logits at once: the reference that the chunked form is tested against."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .soft import SoftTargets, eager_divergence, mixed
from .weights import LossRule


def eager_loss(
    hidden: Tensor,
    labels: Tensor,
    valid: Tensor,
    lm_head: Tensor,
    rule: LossRule,
    soft: SoftTargets | None = None,
) -> tuple[Tensor, Tensor]:
    """Weighted sum of cross-entropies (with gradient) and the sum of weights.

    Args:
        hidden: [blocks, B-1, H], the draft's output at places 1..B-1.
        labels: int64 [blocks, B-1], in range everywhere. valid: bool [blocks, B-1].
        lm_head: [V, H]. rule: computes weights from validity and cross-entropies.
        soft: with hidden [blocks, B-1, H], any values where not valid.
    """
    logits = (hidden @ lm_head.T).float()
    losses = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none").view(labels.shape)
    weights = rule(valid, losses)
    if soft is not None:
        own = (soft.hidden @ lm_head.T).float()
        losses = mixed(losses, eager_divergence(logits, own, soft.rule.temperature), soft.rule)
    return (weights * losses).sum(), weights.sum()
