"""The loss weight of each place of a block: exponential decay, or D-PACE."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LossRule:
    """Either the decay exp(-(k-1)/gamma) over places k = 1..B-1, or D-PACE when ``dpace_alpha`` is set."""

    gamma: float
    dpace_alpha: float | None = None

    def __call__(self, valid: Tensor, cross_entropy: Tensor) -> Tensor:
        """Weights [blocks, B-1], without gradient, from validity (bool) and cross-entropies of the same shape."""
        if self.dpace_alpha is None:
            return decay_weights(valid, self.gamma)
        return dpace_weights(valid, cross_entropy.detach(), self.dpace_alpha)


def decay_weights(valid: Tensor, gamma: float) -> Tensor:
    """exp(-(k-1)/gamma) at place k, zero where not valid. Source: DFlash (arXiv 2602.06036).

    Args:
        valid: bool [..., B-1], place 1 first.
    """
    place = torch.arange(valid.shape[-1], device=valid.device, dtype=torch.float32)
    return valid * torch.exp(-place / gamma)


def dpace_weights(valid: Tensor, cross_entropy: Tensor, alpha: float) -> Tensor:
    """Weights that adapt to the draft's own confidence. Source: D-PACE (arXiv 2605.18810).

    q = exp(-CE), smoothed to q~ = (1 - alpha) q + alpha; C_j is the product of q~ up to j, the probability that a walk
    gets past j; the weight of j is the sum of C_m over all m >= j, the accept length that depends on place j.

    Args:
        valid: bool [..., B-1]; valid places come first. Invalid ones have zero weight and end the product.
        cross_entropy: [..., B-1], any value where not valid.
    """
    smooth = (1 - alpha) * torch.exp(-cross_entropy) + alpha
    passed = torch.where(valid, smooth, 0.0).cumprod(dim=-1)
    return passed.flip(-1).cumsum(-1).flip(-1) * valid
