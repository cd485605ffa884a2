"""Cross-entropy through a frozen lm_head, chunk by chunk, with the gradient computed in the same pass.

The output matrix needs no gradient, so d loss / d hidden is known as soon as a chunk's logits are: (softmax - onehot) @
W, times the weight. It is stored ([P, H]) and the logits ([chunk, V]) are overwritten, so logits are neither kept for
the backward pass nor recomputed. 512 blocks x 8 x 151,936 logits would be 2.5 GB per row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.shards import Ints
from ..kernels.products import linear
from .rows import gradient_, statistics
from .soft import SoftTargets, mixed, soft_divergence
from .weights import LossRule

#: Logits alive at once, in elements: 64 Mi fp32 values are 256 MB on a CPU, 320 Mi bf16 ones 640 MB on a GPU, where
#: matmuls of fewer than 1,000 rows are slower (measured: 1,024 to 4,096 rows within 2 %).
LOGITS_BUDGET = {"cpu": 64 * 2**20, "cuda": 320 * 2**20}


#: With soft labels two rows of logits and two of fp32 log-probabilities are alive for each place.
_SOFT_SHARE = 4


@dataclass(frozen=True)
class BlockLoss:
    """The loss of a batch of blocks.

    Attributes:
        total: scalar, the weighted sum, with gradient. Divide by the weight sum over all ranks.
        weight: scalar, this rank's weight sum, without gradient.
        cross_entropy: fp32 [P], without gradient. best: int64 [P], the draft's argmax at each place.
    """

    total: Tensor
    weight: Tensor
    cross_entropy: Tensor
    best: Tensor


def frozen_head_loss(
    hidden: Tensor,
    labels: Tensor,
    places: Tensor,
    ends: Ints,
    block_size: int,
    lm_head: Tensor,
    rule: LossRule,
    logits_budget: int | None = None,
    soft: SoftTargets | None = None,
) -> BlockLoss:
    """Weighted cross-entropy over the labeled places of blocks, mixed with the divergence from soft labels if given.

    Args:
        hidden: [P, H], the draft's output at these places.
        labels: int64 [P]. places: int64 [P], n * B + k for place k >= 1 of block n, ascending.
        ends: int64 [N + 1], cumulative label counts of the blocks (host).
        lm_head: [V, H], frozen.
        rule: computes weights from validity and cross-entropies.
        logits_budget: maximum number of logits alive at once.
        soft: the target's own distributions. Computed in the same pass, in PyTorch: the kernels know hard labels only.
    """
    budget = (logits_budget or LOGITS_BUDGET[hidden.device.type]) // (_SOFT_SHARE if soft is not None else 1)
    cuts = _cuts(ends, max(1, budget // lm_head.shape[0]))
    total, weight, losses, best = _FrozenHeadLoss.apply(hidden, labels, places, cuts, block_size, lm_head, rule, soft)
    return BlockLoss(total, weight, losses, best)


def _cuts(ends: Ints, most: int) -> list[tuple[int, int, int, int]]:
    """Chunks (first block, last, first label, last) of at most ``most`` labels, but at least one block.

    Blocks are never split, because a D-PACE weight needs the cross-entropies of all places of its block.
    """
    cuts, block, last = [], 0, len(ends) - 1
    while block < last and ends[block] < ends[last]:
        after = int(np.searchsorted(ends, ends[block] + most, side="right")) - 1
        after = min(last, max(block + 1, after))
        cuts.append((block, after, int(ends[block]), int(ends[after])))
        block = after
    return cuts


class _FrozenHeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        labels: Tensor,
        places: Tensor,
        cuts: list[tuple[int, int, int, int]],
        block_size: int,
        lm_head: Tensor,
        rule: LossRule,
        soft: SoftTargets | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        gradient = torch.empty_like(hidden)
        losses = torch.empty(len(labels), dtype=torch.float32, device=hidden.device)
        best = torch.empty_like(labels)
        # Separate tensors, because only the sum of weights is marked non-differentiable.
        total, weight_sum = (torch.zeros((), device=hidden.device) for _ in range(2))
        for first, after, start, end in cuts:
            part = slice(start, end)
            wanted = labels[part]
            logits = linear(hidden[part].to(lm_head.dtype), lm_head)
            norm, gold, best[part] = statistics(logits, wanted)
            losses[part] = norm - gold
            weights = _weights(rule, losses[part], places[part] - first * block_size, after - first, block_size)
            weight_sum = weight_sum + weights.sum()
            if soft is None:
                total = total + (weights * losses[part]).sum()
                slope = gradient_(logits, wanted, norm, weights)
            else:
                own, share = linear(soft.hidden[part].to(lm_head.dtype), lm_head), soft.rule.share
                # Before gradient_, which overwrites the logits.
                divergence, soft_slope = soft_divergence(logits, own, soft.rule.temperature)
                total = total + (weights * mixed(losses[part], divergence, soft.rule)).sum()
                slope = gradient_(logits, wanted, norm, (1 - share) * weights)
                slope = slope.float().add_(soft_slope.mul_(share * weights[:, None]))
            gradient[part] = linear(slope.to(lm_head.dtype), lm_head.T).to(hidden.dtype)
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(weight_sum, losses, best)
        return total, weight_sum, losses, best

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0].to(gradient.dtype), None, None, None, None, None, None, None


def _weights(rule: LossRule, losses: Tensor, places: Tensor, blocks: int, block_size: int) -> Tensor:
    """Weights [p]. The rule takes whole blocks [n, B - 1]: losses are scattered there and weights gathered back."""
    valid = torch.zeros(blocks * block_size, dtype=torch.bool, device=losses.device)
    valid.index_fill_(0, places, True)
    grid = losses.new_zeros(blocks * block_size)
    grid[places] = losses
    made = rule(valid.view(blocks, block_size)[:, 1:], grid.view(blocks, block_size)[:, 1:])
    return torch.nn.functional.pad(made, (1, 0)).flatten()[places]
