"""The elementwise parts of a decoder layer: RMS norm with the residual added, and the norm and rotation of heads.

A row is read once and written once, and what lies between is computed in fp32. The reference is transformers' own
layer, which rounds after every step: in bf16 its error is larger.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

#: Heads per program of the rotation.
_HEADS = 8


@triton.jit
def _rms_norm_kernel(x, delta, weight, out, width, eps, ADD: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    value = tl.load(x + row * width + column, mask=inside, other=0.0)
    if ADD:
        step = tl.load(delta + row * width + column, mask=inside, other=0.0)
        wide = value.to(tl.float32) + step.to(tl.float32)
        tl.store(x + row * width + column, wide.to(x.dtype.element_ty), mask=inside)
    else:
        wide = value.to(tl.float32)
    scale = tl.rsqrt(tl.sum(wide * wide, axis=0) / width + eps)
    w = tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * width + column, (wide * scale * w).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _norm_rotate_kernel(
    qkv, q_weight, k_weight, cos, sin, heads, rows, width, stride, eps, HALF: tl.constexpr, ROWS: tl.constexpr
):
    token = tl.program_id(0).to(tl.int64)
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.arange(0, HALF)[None, :]
    half = width // 2
    inside = column < half
    both = (row < rows) & inside
    place = qkv + token * stride + row * width + column
    first = tl.load(place, mask=both, other=0.0).to(tl.float32)
    second = tl.load(place + half, mask=both, other=0.0).to(tl.float32)
    scale = tl.rsqrt((tl.sum(first * first, 1) + tl.sum(second * second, 1)) / width + eps)[:, None]
    query = row < heads
    w1 = tl.where(query, tl.load(q_weight + column, mask=inside), tl.load(k_weight + column, mask=inside))
    w2 = tl.where(query, tl.load(q_weight + half + column, mask=inside), tl.load(k_weight + half + column, mask=inside))
    first, second = first * scale * w1.to(tl.float32), second * scale * w2.to(tl.float32)
    angle = token * width + column
    c1, c2 = tl.load(cos + angle, mask=inside), tl.load(cos + angle + half, mask=inside)
    s1, s2 = tl.load(sin + angle, mask=inside), tl.load(sin + angle + half, mask=inside)
    kind = qkv.dtype.element_ty
    tl.store(place, (first * c1.to(tl.float32) - second * s1.to(tl.float32)).to(kind), mask=both)
    tl.store(place + half, (second * c2.to(tl.float32) + first * s2.to(tl.float32)).to(kind), mask=both)


def add_rms_norm_(x: Tensor, delta: Tensor | None, weight: Tensor, eps: float) -> Tensor:
    """Adds ``delta`` to x [n, width] in place and returns the RMS norm of the sum times ``weight``."""
    rows, width = x.shape
    out = torch.empty_like(x)
    block = triton.next_power_of_2(width)
    _rms_norm_kernel[(rows,)](
        x, x if delta is None else delta, weight, out, width, eps,
        ADD=delta is not None, BLOCK=block, num_warps=8 if block > 2048 else 4,
    )  # fmt: skip
    return out


def norm_rotate_(
    qkv: Tensor, q_weight: Tensor, k_weight: Tensor, cos: Tensor, sin: Tensor, heads: int, kv_heads: int, eps: float
) -> None:
    """Norms every query and key head over its width and rotates it, in place.

    Args:
        qkv: [T, (heads + 2 * kv_heads) * width]: queries, keys, values. q_weight, k_weight: [width].
        cos, sin: [T, width], NeoX halves.
    """
    tokens, width = cos.shape
    rows = heads + kv_heads
    _norm_rotate_kernel[(tokens, triton.cdiv(rows, _HEADS))](
        qkv, q_weight, k_weight, cos, sin, heads, rows, width, qkv.stride(0), eps,
        HALF=triton.next_power_of_2(width // 2), ROWS=_HEADS, num_warps=2,
    )  # fmt: skip
