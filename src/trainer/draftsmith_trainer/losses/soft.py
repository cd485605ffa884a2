"""Soft labels: the divergence of the draft's distribution from the target's own, at a temperature.

Source: Hinton, Vinyals, Dean (arXiv 1503.02531). The factor T^2 keeps the size of the gradient when T changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class SoftRule:
    """How soft labels enter the loss of a place: (1 - share) CE + share T^2 KL(target || draft), at temperature T."""

    share: float
    temperature: float


@dataclass(frozen=True)
class SoftTargets:
    """The target's own distributions at the labeled places, as the states that its lm_head reads.

    Attributes:
        hidden: [P, H], the target's last states, final norm included, one position before each label.
    """

    hidden: Tensor
    rule: SoftRule


def soft_divergence(logits: Tensor, target_logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """T^2 KL(target || draft) of each row, fp32 [n], and its gradient with respect to the draft's logits, fp32 [n, V].

    Args:
        logits, target_logits: [n, V], of the draft and of the target.
    """
    ours = F.log_softmax(logits.float() / temperature, dim=-1)
    wanted = F.log_softmax(target_logits.float() / temperature, dim=-1)
    probabilities = wanted.exp()
    divergence = (probabilities * (wanted - ours)).sum(dim=-1)
    return temperature**2 * divergence, ours.exp_().sub_(probabilities).mul_(temperature)


def eager_divergence(logits: Tensor, target_logits: Tensor, temperature: float) -> Tensor:
    """The reference for :func:`soft_divergence`, for autograd: T^2 KL of each row, [n]."""
    ours, wanted = (F.log_softmax(one / temperature, dim=-1) for one in (logits, target_logits))
    return temperature**2 * F.kl_div(ours, wanted, reduction="none", log_target=True).sum(dim=-1)


def mixed(losses: Tensor, divergence: Tensor, rule: SoftRule) -> Tensor:
    """The loss of each place from its cross-entropy and divergence."""
    return torch.lerp(losses, divergence, rule.share)
