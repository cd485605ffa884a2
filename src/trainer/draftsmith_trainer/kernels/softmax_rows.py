"""Row statistics of a logits matrix and its cross-entropy gradient, in place: two passes over bf16 logits.

Each vocabulary-wide row is read twice and written once, without an fp32 copy. Reference:
:func:`draftsmith_trainer.losses.eager.row_statistics`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 8192


@triton.jit
def _statistics_kernel(
    logits,
    labels,
    lse,
    gold,
    best,
    width,
    stride,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    base = logits + row * stride
    top = -float("inf")
    at = 0
    total = 0.0
    for start in range(0, width, BLOCK):
        column = start + tl.arange(0, BLOCK)
        x = tl.load(base + column, mask=column < width, other=-float("inf")).to(tl.float32)
        here, where = tl.max(x, axis=0, return_indices=True, return_indices_tie_break_left=True)
        higher = here > top
        at = tl.where(higher, start + where, at)
        fresh = tl.where(higher, here, top)
        total = total * tl.exp(top - fresh) + tl.sum(tl.exp(x - fresh), axis=0)
        top = fresh
    label = tl.load(labels + row)
    tl.store(lse + row, top + tl.log(total))
    tl.store(gold + row, tl.load(base + label).to(tl.float32))
    tl.store(best + row, at)


@triton.jit
def _gradient_kernel(
    logits,
    labels,
    lse,
    weights,
    width,
    stride,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(1).to(tl.int64)
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    place = logits + row * stride + column
    inside = column < width
    weight = tl.load(weights + row)
    x = tl.load(place, mask=inside, other=0.0).to(tl.float32)
    slope = tl.exp(x - tl.load(lse + row))
    slope = tl.where(column == tl.load(labels + row), slope - 1.0, slope) * weight
    tl.store(place, slope.to(logits.dtype.element_ty), mask=inside)


def row_statistics(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each row: log-sum-exp, the label's logit (both fp32 [n]) and the first argmax (int64 [n]).

    Args:
        logits: [n, V], contiguous rows, on CUDA. labels: int64 [n], in range.
    """
    rows, width = logits.shape
    lse = torch.empty(rows, dtype=torch.float32, device=logits.device)
    gold, best = torch.empty_like(lse), torch.empty(rows, dtype=torch.int64, device=logits.device)
    _statistics_kernel[(rows,)](logits, labels, lse, gold, best, width, logits.stride(0), BLOCK=_BLOCK, num_warps=16)
    return lse, gold, best


def cross_entropy_gradient_(logits: Tensor, labels: Tensor, lse: Tensor, weights: Tensor) -> Tensor:
    """Overwrites logits [n, V] with weights[:, None] * (softmax - onehot(labels)) and returns them."""
    rows, width = logits.shape
    _gradient_kernel[(triton.cdiv(width, _BLOCK), rows)](
        logits, labels, lse, weights, width, logits.stride(0), BLOCK=_BLOCK, num_warps=8
    )
    return logits
