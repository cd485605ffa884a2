"""Cross-entropy through a frozen lm_head, chunk by chunk, with the gradient formed in the same pass.

The output matrix takes no gradient, so d loss / d hidden is known as soon as a chunk's logits are: (softmax - onehot) @
W, times the weight. It is kept ([tokens, H]) and the logits ([tokens, V]) are dropped: neither stored for the backward
pass nor computed a second time. 512 blocks x 8 x 151,936 logits would be 2.5 GB per row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .weights import LossRule

#: Logits alive at once, in elements: 64 Mi fp32 values are 256 MB.
_LOGITS_BUDGET = 64 * 2**20


@dataclass(frozen=True)
class BlockLoss:
    """The loss of a batch of blocks.

    Attributes:
        total: scalar, the weighted sum, with gradient. Divide by the weight sum over all ranks.
        weight: scalar, this rank's weight sum, without gradient.
        correct: bool [blocks, B-1], where the draft's first choice was the label (False where not valid).
    """

    total: Tensor
    weight: Tensor
    correct: Tensor


def frozen_head_loss(
    hidden: Tensor,
    labels: Tensor,
    valid: Tensor,
    lm_head: Tensor,
    rule: LossRule,
    logits_budget: int = _LOGITS_BUDGET,
) -> BlockLoss:
    """Weighted cross-entropy of block states against their labels.

    Args:
        hidden: [blocks, B-1, H], the draft's output at places 1..B-1.
        labels: int64 [blocks, B-1], in range everywhere.
        valid: bool [blocks, B-1]; logits are computed for valid places only.
        lm_head: [V, H], frozen.
        rule: turns validity and cross-entropies into weights.
        logits_budget: how many logits may be alive at once.
    """
    total, weight, correct = _FrozenHeadLoss.apply(hidden, labels, valid, lm_head, rule, logits_budget)
    return BlockLoss(total, weight, correct)


class _FrozenHeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, labels: Tensor, valid: Tensor, lm_head: Tensor, rule: LossRule, budget: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        places = hidden.shape[1]
        # Whole blocks per chunk: a D-PACE weight needs the cross-entropies of all places of its block.
        per_chunk = max(1, budget // (lm_head.shape[0] * places))
        gradient = torch.zeros_like(hidden)
        correct = torch.zeros_like(valid)
        # Two tensors, not one: the sum of weights is marked as having no gradient, the total must not be.
        total, weight_sum = (torch.zeros((), device=hidden.device) for _ in range(2))
        for start in range(0, hidden.shape[0], per_chunk):
            part = slice(start, start + per_chunk)
            where = valid[part]
            if not where.any():
                continue
            states = hidden[part][where].to(lm_head.dtype)
            wanted = labels[part][where]
            logits = (states @ lm_head.T).float()
            norm = logits.logsumexp(dim=-1)
            losses = norm - logits.gather(1, wanted[:, None])[:, 0]
            correct[part] = where.clone().masked_scatter_(where, logits.argmax(dim=-1) == wanted)
            grid = losses.new_zeros(where.shape).masked_scatter_(where, losses)
            weights = rule(where, grid)[where]
            total = total + (weights * losses).sum()
            weight_sum = weight_sum + weights.sum()
            slope = logits.sub_(norm[:, None]).exp_()
            slope.scatter_add_(1, wanted[:, None], slope.new_full((len(wanted), 1), -1.0))
            slope.mul_(weights[:, None])
            gradient[part][where] = (slope.to(lm_head.dtype) @ lm_head).to(hidden.dtype)
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(weight_sum, correct)
        return total, weight_sum, correct

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0].to(gradient.dtype), None, None, None, None, None
