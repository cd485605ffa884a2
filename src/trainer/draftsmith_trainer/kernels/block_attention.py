"""Attention of draft blocks over their context and themselves, forward and backward.

A query row sees the context lo .. hi - 1 of its block and the places of its own block. Rows are sorted by document and
anchor, so a query tile sees one contiguous range of context tiles, all but a few of them in full; the host computes
these ranges. Online softmax and the backward recurrences follow FlashAttention-2 (arXiv 2307.08691).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

#: Query rows per tile, and context tokens per tile of the host's tables. A block must divide the first.
ROWS, KEYS = 128, 128
_LOG2E = 1.4426950408889634


class Shapes(NamedTuple):
    """Tile shapes of the three kernels' inner loops."""

    forward: dict[str, int]
    query: dict[str, int]
    context: dict[str, int]


#: The fastest of 14 on an H200 with heads of 128.
SHAPES = Shapes(
    forward={"BM": 128, "BN": 64, "num_warps": 8, "num_stages": 3},
    query={"BM": 128, "BN": 64, "OWN": 64, "num_warps": 8, "num_stages": 3},
    context={"BN": 128, "STEP": 64, "num_warps": 8, "num_stages": 3},
)
#: For wider heads, whose tiles of that shape exceed Hopper's 227 KiB of shared memory.
WIDE_SHAPES = Shapes(
    forward={"BM": 128, "BN": 32, "num_warps": 8, "num_stages": 2},
    query={"BM": 64, "BN": 32, "OWN": 64, "num_warps": 8, "num_stages": 1},
    context={"BN": 64, "STEP": 32, "num_warps": 8, "num_stages": 2},
)


def shapes_for(width: int) -> Shapes:
    """The shapes for heads of this width."""
    return SHAPES if width <= 128 else WIDE_SHAPES


@triton.jit
def _scores(q, k_tile, scale_log2):
    return tl.dot(q, tl.trans(k_tile)) * scale_log2


@triton.jit
def _own_mask(rows, columns, B: tl.constexpr, WINDOW: tl.constexpr):
    same = (rows // B)[:, None] == (columns // B)[None, :]
    if WINDOW > 0:
        behind = rows[:, None] - columns[None, :]
        same = same & (behind >= 0) & (behind < WINDOW)
    return same


@triton.jit
def _softmax_step(s, v, top, total, acc):
    fresh = tl.maximum(top, tl.max(s, 1))
    # While a row has seen no visible key, both maxima are -inf and their difference would be NaN.
    base = tl.where(fresh == -float("inf"), 0.0, fresh)
    p = tl.exp2(s - base[:, None])
    fade = tl.exp2(top - base)
    acc = tl.dot(p.to(v.dtype), v, acc * fade[:, None])
    return fresh, total * fade + tl.sum(p, 1), acc


@triton.jit
def _forward_range(
    q, k_base, v_base, start, end, rlo, rhi, top, total, acc, scale_log2, token, depth,
    MASKED: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    for at in range(start, end, BN):
        columns = at + tl.arange(0, BN)
        k = tl.load(k_base + columns[:, None] * token + depth[None, :])
        s = _scores(q, k, scale_log2)
        if MASKED:
            seen = (columns[None, :] >= rlo[:, None]) & (columns[None, :] < rhi[:, None])
            s = tl.where(seen, s, -float("inf"))
        v = tl.load(v_base + columns[:, None] * token + depth[None, :])
        top, total, acc = _softmax_step(s, v, top, total, acc)
    return top, total, acc


@triton.jit
def _forward_kernel(
    Q, K, V, OUT, L, LO, HI, RANGES, queries, context, scale_log2,
    q_head, q_token, k_head, k_token,
    GROUP: tl.constexpr, B: tl.constexpr, WINDOW: tl.constexpr, D: tl.constexpr, TILE: tl.constexpr, BM: tl.constexpr,
    BN: tl.constexpr,
):  # fmt: skip
    tile, head = tl.program_id(0), tl.program_id(1)
    depth = tl.arange(0, D)
    rows = tile * BM + tl.arange(0, BM)
    q = tl.load(Q + head * q_head + rows[:, None] * q_token + depth[None, :])
    rlo, rhi = tl.load(LO + rows), tl.load(HI + rows)
    k_base, v_base = K + (head // GROUP) * k_head, V + (head // GROUP) * k_head
    top = tl.full([BM], -float("inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    acc = tl.zeros([BM, D], tl.float32)
    for part in range(0, BM, BN):
        columns = tile * BM + part + tl.arange(0, BN)
        k = tl.load(k_base + (context + columns)[:, None] * k_token + depth[None, :])
        s = tl.where(_own_mask(rows, columns, B, WINDOW), _scores(q, k, scale_log2), -float("inf"))
        v = tl.load(v_base + (context + columns)[:, None] * k_token + depth[None, :])
        top, total, acc = _softmax_step(s, v, top, total, acc)
    ranges = RANGES + tile * BM // TILE * 4
    first, last = tl.load(ranges), tl.load(ranges + 1)
    whole, until = tl.load(ranges + 2), tl.load(ranges + 3)
    top, total, acc = _forward_range(
        q, k_base, v_base, first, whole, rlo, rhi, top, total, acc, scale_log2, k_token, depth, True, BN
    )
    top, total, acc = _forward_range(
        q, k_base, v_base, whole, until, rlo, rhi, top, total, acc, scale_log2, k_token, depth, False, BN
    )
    top, total, acc = _forward_range(
        q, k_base, v_base, until, last, rlo, rhi, top, total, acc, scale_log2, k_token, depth, True, BN
    )
    acc = acc / total[:, None]
    tl.store(OUT + head * q_head + rows[:, None] * q_token + depth[None, :], acc.to(OUT.dtype.element_ty))
    tl.store(L + head * queries + rows, top + tl.log2(total))


@triton.jit
def _dq_range(
    q, do, lse, delta, k_base, v_base, start, end, rlo, rhi, dq, scale_log2, token, depth,
    MASKED: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    for at in range(start, end, BN):
        columns = at + tl.arange(0, BN)
        k = tl.load(k_base + columns[:, None] * token + depth[None, :])
        v = tl.load(v_base + columns[:, None] * token + depth[None, :])
        p = tl.exp2(_scores(q, k, scale_log2) - lse[:, None])
        if MASKED:
            seen = (columns[None, :] >= rlo[:, None]) & (columns[None, :] < rhi[:, None])
            p = tl.where(seen, p, 0.0)
        ds = p * (tl.dot(do, tl.trans(v)) - delta[:, None])
        dq = tl.dot(ds.to(k.dtype), k, dq)
    return dq


@triton.jit
def _query_kernel(
    Q, K, V, DO, L, DELTA, LO, HI, RANGES, DQ, DK, DV, queries, context, scale, scale_log2,
    q_head, q_token, k_head, k_token, d_head,
    GROUP: tl.constexpr, B: tl.constexpr, WINDOW: tl.constexpr, D: tl.constexpr, TILE: tl.constexpr, BM: tl.constexpr,
    BN: tl.constexpr, OWN: tl.constexpr,
):  # fmt: skip
    """Gradients with respect to queries, and to the keys and values of their own blocks."""
    tile, head = tl.program_id(0), tl.program_id(1)
    depth = tl.arange(0, D)
    rows = tile * BM + tl.arange(0, BM)
    place = head * q_head + rows[:, None] * q_token + depth[None, :]
    q, do = tl.load(Q + place), tl.load(DO + place)
    lse, delta = tl.load(L + head * queries + rows), tl.load(DELTA + head * queries + rows)
    rlo, rhi = tl.load(LO + rows), tl.load(HI + rows)
    k_base, v_base = K + (head // GROUP) * k_head, V + (head // GROUP) * k_head
    dq = tl.zeros([BM, D], tl.float32)
    for part in range(0, BM, OWN):
        columns = tile * BM + part + tl.arange(0, OWN)
        k = tl.load(k_base + (context + columns)[:, None] * k_token + depth[None, :])
        v = tl.load(v_base + (context + columns)[:, None] * k_token + depth[None, :])
        p = tl.exp2(_scores(q, k, scale_log2) - lse[:, None])
        p = tl.where(_own_mask(rows, columns, B, WINDOW), p, 0.0)
        ds = (p * (tl.dot(do, tl.trans(v)) - delta[:, None])).to(q.dtype)
        dq = tl.dot(ds, k, dq)
        out = head * d_head + (context + columns)[:, None] * D + depth[None, :]
        tl.store(DV + out, tl.dot(tl.trans(p.to(do.dtype)), do).to(DV.dtype.element_ty))
        tl.store(DK + out, (tl.dot(tl.trans(ds), q) * scale).to(DK.dtype.element_ty))
    ranges = RANGES + tile * BM // TILE * 4
    first, last = tl.load(ranges), tl.load(ranges + 1)
    whole, until = tl.load(ranges + 2), tl.load(ranges + 3)
    dq = _dq_range(q, do, lse, delta, k_base, v_base, first, whole, rlo, rhi, dq, scale_log2, k_token, depth, True, BN)
    dq = _dq_range(q, do, lse, delta, k_base, v_base, whole, until, rlo, rhi, dq, scale_log2, k_token, depth, False, BN)
    dq = _dq_range(q, do, lse, delta, k_base, v_base, until, last, rlo, rhi, dq, scale_log2, k_token, depth, True, BN)
    tl.store(DQ + place, (dq * scale).to(DQ.dtype.element_ty))


@triton.jit
def _context_kernel(
    Q, K, V, DO, L, DELTA, LO, HI, RANGES, SEEN_BY, DK, DV, queries, scale, scale_log2,
    q_head, q_token, k_head, k_token, d_head,
    GROUP: tl.constexpr, D: tl.constexpr, BM: tl.constexpr, TILE: tl.constexpr, BN: tl.constexpr, STEP: tl.constexpr,
):  # fmt: skip
    """Gradients with respect to BN context keys and values, for one query head."""
    tile, head = tl.program_id(0), tl.program_id(1)
    depth = tl.arange(0, D)
    columns = tile * BN + tl.arange(0, BN)
    place = (head // GROUP) * k_head + columns[:, None] * k_token + depth[None, :]
    k, v = tl.load(K + place), tl.load(V + place)
    dk, dv = tl.zeros([BN, D], tl.float32), tl.zeros([BN, D], tl.float32)
    seen_by = SEEN_BY + tile * BN // TILE * 2
    first, last = tl.load(seen_by), tl.load(seen_by + 1)
    for at in range(first * BM, last * BM, STEP):
        number = at // BM
        rows = at + tl.arange(0, STEP)
        where = head * q_head + rows[:, None] * q_token + depth[None, :]
        q, do = tl.load(Q + where), tl.load(DO + where)
        lse, delta = tl.load(L + head * queries + rows), tl.load(DELTA + head * queries + rows)
        p = tl.exp2(tl.dot(k, tl.trans(q)) * scale_log2 - lse[None, :])
        inside = (tl.load(RANGES + number * 4 + 2) <= tile * BN) & (tl.load(RANGES + number * 4 + 3) >= tile * BN + BN)
        if not inside:
            rlo, rhi = tl.load(LO + rows), tl.load(HI + rows)
            seen = (columns[:, None] >= rlo[None, :]) & (columns[:, None] < rhi[None, :])
            p = tl.where(seen, p, 0.0)
        dv = tl.dot(p.to(do.dtype), do, dv)
        ds = p * (tl.dot(v, tl.trans(do)) - delta[None, :])
        dk = tl.dot(ds.to(q.dtype), q, dk)
    out = head * d_head + columns[:, None] * D + depth[None, :]
    tl.store(DK + out, (dk * scale).to(DK.dtype.element_ty))
    tl.store(DV + out, dv.to(DV.dtype.element_ty))


def forward(
    q: Tensor, k: Tensor, v: Tensor, tables: tuple[Tensor, ...], context: int, block: int, window: int, scale: float
) -> tuple[Tensor, Tensor]:
    """Output [heads, Q, D] and log2-sum-exp2 fp32 [heads, Q].

    Args:
        q: [heads, Q, D]. k, v: [kv_heads, context + Q, D]; contiguous.
        tables: int32, see :class:`~draftsmith_trainer.draft.kernel.Ranges`: LO, HI [Q], RANGES [Q / 128, 4], SEEN_BY.
        context: number of context keys, a multiple of 128. block: places per block. window: 0 for none.
    """
    heads, queries, width = q.shape
    out, lse = torch.empty_like(q), torch.empty(heads, queries, dtype=torch.float32, device=q.device)
    low, high, ranges, _ = tables
    shape = shapes_for(width).forward
    _forward_kernel[(queries // shape["BM"], heads)](
        q, k, v, out, lse, low, high, ranges, queries, context, scale * _LOG2E,
        q.stride(0), q.stride(1), k.stride(0), k.stride(1),
        GROUP=heads // k.shape[0], B=block, WINDOW=window, D=width, TILE=ROWS, **shape,
    )  # fmt: skip
    return out, lse


def backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, tables: tuple[Tensor, ...], context: int,
    block: int, window: int, scale: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients with respect to q, k and v. Arguments as in :func:`forward`; ``grad``: the output's, [heads, Q, D]."""
    heads, queries, width = q.shape
    keys = k.shape[1]
    grad = grad.contiguous()
    delta = (grad.float() * out.float()).sum(-1)
    dq = torch.empty_like(q)
    # Each query head writes its own key and value gradients; heads that share keys are summed afterwards.
    dk, dv = (torch.empty(heads, keys, width, dtype=k.dtype, device=k.device) for _ in range(2))
    low, high, ranges, seen_by = tables
    group, strides = heads // k.shape[0], (q.stride(0), q.stride(1), k.stride(0), k.stride(1), dk.stride(0))
    shape = shapes_for(width).query
    _query_kernel[(queries // shape["BM"], heads)](
        q, k, v, grad, lse, delta, low, high, ranges, dq, dk, dv, queries, context, scale, scale * _LOG2E, *strides,
        GROUP=group, B=block, WINDOW=window, D=width, TILE=ROWS, **shape,
    )  # fmt: skip
    shape = shapes_for(width).context
    _context_kernel[(context // shape["BN"], heads)](
        q, k, v, grad, lse, delta, low, high, ranges, seen_by, dk, dv, queries, scale, scale * _LOG2E, *strides,
        GROUP=group, D=width, BM=ROWS, TILE=KEYS, **shape,
    )  # fmt: skip
    if group > 1:
        dk, dv = (x.view(-1, group, keys, width).sum(1, dtype=torch.float32).to(k.dtype) for x in (dk, dv))
    return dq, dk, dv
