"""The elementwise parts of a mixture of experts: SwiGLU over sorted slots, and the weighted sum back into tokens."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _swiglu_kernel(x, out, width, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < width
    gate = tl.load(x + row * 2 * width + column, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(x + row * 2 * width + width + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * width + column, (gate * tl.sigmoid(gate) * up).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _combine_kernel(y, slot_of, weights, out, width, TOP_K: tl.constexpr, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < width
    total = tl.zeros([BLOCK], tl.float32)
    for i in range(TOP_K):
        slot = tl.load(slot_of + token * TOP_K + i).to(tl.int64)
        weight = tl.load(weights + token * TOP_K + i).to(tl.float32)
        part = tl.load(y + slot * width + column, mask=inside, other=0.0).to(tl.float32)
        total += part * weight
    tl.store(out + token * width + column, total.to(out.dtype.element_ty), mask=inside)


def swiglu(x: Tensor) -> Tensor:
    """silu(x[:, :I]) * x[:, I:] for x [n, 2 I], rows contiguous."""
    rows, both = x.shape
    width = both // 2
    out = torch.empty(rows, width, dtype=x.dtype, device=x.device)
    block = min(1024, triton.next_power_of_2(width))
    _swiglu_kernel[(rows, triton.cdiv(width, block))](x, out, width, BLOCK=block, num_warps=4)
    return out


def combine(y: Tensor, slot_of: Tensor, weights: Tensor) -> Tensor:
    """out[t] = sum over i of weights[t, i] * y[slot_of[t, i]], summed in fp32, [tokens, H].

    Args:
        y: [tokens * top_k, H], expert outputs sorted by expert. slot_of: int [tokens, top_k]. weights: [tokens, top_k].
    """
    tokens, top_k = slot_of.shape
    width = y.shape[1]
    out = torch.empty(tokens, width, dtype=y.dtype, device=y.device)
    block = min(2048, triton.next_power_of_2(width))
    _combine_kernel[(tokens, triton.cdiv(width, block))](
        y, slot_of, weights, out, width, TOP_K=top_k, BLOCK=block, num_warps=8
    )
    return out
