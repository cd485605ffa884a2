"""Row statistics of logits and their in-place gradient: in PyTorch, or by kernels for 16-bit logits on CUDA."""

from __future__ import annotations

import torch
from torch import Tensor


def statistics(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each row: log-sum-exp and the label's logit (fp32 [n]), and the first argmax (int64 [n]).

    Args:
        logits: [n, V]. labels: int64 [n].
    """
    if logits.is_cuda and logits.dtype != torch.float32:
        from ..kernels.softmax_rows import row_statistics

        return row_statistics(logits, labels)
    return plain_statistics(logits, labels)


def gradient_(logits: Tensor, labels: Tensor, lse: Tensor, weights: Tensor) -> Tensor:
    """weights[:, None] * (softmax - onehot(labels)), [n, V]; overwrites the logits if their dtype allows."""
    if logits.is_cuda and logits.dtype != torch.float32:
        from ..kernels.softmax_rows import cross_entropy_gradient_

        return cross_entropy_gradient_(logits, labels, lse, weights)
    return plain_gradient_(logits, labels, lse, weights)


def plain_statistics(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The reference for :func:`statistics`."""
    wide = logits.float()
    return wide.logsumexp(dim=-1), wide.gather(1, labels[:, None])[:, 0], wide.argmax(dim=-1)


def plain_gradient_(logits: Tensor, labels: Tensor, lse: Tensor, weights: Tensor) -> Tensor:
    """The reference for :func:`gradient_`."""
    slope = logits.float().sub_(lse[:, None]).exp_()
    slope.scatter_add_(1, labels[:, None], slope.new_full((len(labels), 1), -1.0))
    return slope.mul_(weights[:, None])
