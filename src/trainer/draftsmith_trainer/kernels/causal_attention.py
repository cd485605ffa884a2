"""Causal attention within the documents of a packed sequence: forward only, for a frozen target.

Online softmax follows FlashAttention-2 (arXiv 2307.08691). Documents are named by cumulative lengths, so one compiled
kernel serves every number and length of documents. The reference: one scaled-dot-product call per document
(:func:`draftsmith_trainer.target.attention.segment_attention` on a CPU).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_LOG2E = 1.4426950408889634

#: Queries and keys per tile, and how a program is compiled: the fastest of four on an H200 with heads of 128.
SHAPE = {"BM": 128, "BN": 64, "num_warps": 8, "num_stages": 3}
#: Wider heads exceed shared memory at this shape; FlashAttention-2 has them.
_WIDTHS = (16, 32, 64, 128)
#: Bytes of shared memory that a program may take on Hopper and data-centre Blackwell. On cards with less,
#: FlashAttention-2 is the faster one.
_SHARED = 227 * 1024


@triton.jit
def _range(
    q, k_base, v_base, start, end, rows, length, top, total, acc, scale_log2, k_token, v_token, depth,
    DIAGONAL: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    for at in range(start, end, BN):
        columns = at + tl.arange(0, BN)
        if DIAGONAL:
            k = tl.load(
                k_base + columns[:, None] * k_token + depth[None, :], mask=(columns < length)[:, None], other=0.0
            )
            v = tl.load(
                v_base + columns[:, None] * v_token + depth[None, :], mask=(columns < length)[:, None], other=0.0
            )
        else:
            k = tl.load(k_base + columns[:, None] * k_token + depth[None, :])
            v = tl.load(v_base + columns[:, None] * v_token + depth[None, :])
        s = tl.dot(q, tl.trans(k)) * scale_log2
        if DIAGONAL:
            s = tl.where(columns[None, :] <= rows[:, None], s, -float("inf"))
        fresh = tl.maximum(top, tl.max(s, 1))
        p = tl.exp2(s - fresh[:, None])
        fade = tl.exp2(top - fresh)
        acc = tl.dot(p.to(v.dtype), v, acc * fade[:, None])
        total = total * fade + tl.sum(p, 1)
        top = fresh
    return top, total, acc


@triton.jit
def _causal_kernel(
    Q, K, V, OUT, BOUNDS, scale_log2, q_token, k_token, v_token, out_token, q_head, k_head, v_head,
    GROUP: tl.constexpr, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    # The last tiles of a document have the most keys; they start first.
    tile = tl.num_programs(0) - 1 - tl.program_id(0)
    head, document = tl.program_id(1), tl.program_id(2)
    first, last = tl.load(BOUNDS + document).to(tl.int64), tl.load(BOUNDS + document + 1).to(tl.int64)
    length = (last - first).to(tl.int32)
    if tile * BM >= length:
        return
    depth = tl.arange(0, D)
    rows = tile * BM + tl.arange(0, BM)
    inside = (rows < length)[:, None]
    q_base = Q + first * q_token + head * q_head
    k_base = K + first * k_token + (head // GROUP) * k_head
    v_base = V + first * v_token + (head // GROUP) * v_head
    q = tl.load(q_base + rows[:, None] * q_token + depth[None, :], mask=inside, other=0.0)
    top = tl.full([BM], -float("inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    acc = tl.zeros([BM, D], tl.float32)
    top, total, acc = _range(
        q, k_base, v_base, 0, tile * BM, rows, length, top, total, acc, scale_log2, k_token, v_token, depth, False, BN
    )
    end = tl.minimum(tile * BM + BM, length)
    top, total, acc = _range(
        q, k_base, v_base, tile * BM, end, rows, length, top, total, acc, scale_log2, k_token, v_token, depth, True, BN
    )
    out = OUT + first * out_token + head * D + rows[:, None] * out_token + depth[None, :]
    tl.store(out, (acc / total[:, None]).to(OUT.dtype.element_ty), mask=inside)


def fits(q: Tensor, k: Tensor, v: Tensor, longest: int) -> bool:
    """Whether :func:`causal_attention` runs these on CUDA, and fast; arguments as there."""
    if q.shape[-1] not in _WIDTHS or any(x.stride(2) != 1 for x in (q, k, v)):
        return False
    # Places within a document are 32-bit.
    if longest * max(x.stride(0) for x in (q, k, v)) >= 2**31:
        return False
    return torch.cuda.get_device_properties(q.device).shared_memory_per_block_optin >= _SHARED


def causal_attention(q: Tensor, k: Tensor, v: Tensor, bounds: Tensor, longest: int, scale: float) -> Tensor:
    """Attention of every token to the tokens of its document up to itself, [T, heads, D].

    Args:
        q: [T, heads, D]. k, v: [T, kv_heads, D]; kv_heads divides heads, D is a power of two, channels contiguous.
        bounds: int32 [documents + 1], cumulative lengths. longest: the longest document's length.
    """
    tokens, heads, width = q.shape
    out = torch.empty(tokens, heads, width, dtype=q.dtype, device=q.device)
    _causal_kernel[(triton.cdiv(longest, SHAPE["BM"]), heads, len(bounds) - 1)](
        q, k, v, out, bounds, scale * _LOG2E, q.stride(0), k.stride(0), v.stride(0), out.stride(0),
        q.stride(1), k.stride(1), v.stride(1), GROUP=heads // k.shape[1], D=width, **SHAPE,
    )  # fmt: skip
    return out
