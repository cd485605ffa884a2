"""Routing of a mixture of experts: which experts a token takes, and where its copies lie when sorted by expert.

The sort counts instead of comparing: each block of tokens counts its copies per expert, one program adds the counts up,
and each block places its own. A token's slot depends on the routing alone, as with a stable sort.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

#: Tokens per program of choosing, counting and placing; blocks that one step of the scan adds up.
_TOKENS, _SCAN = 32, 64


@triton.jit
def _choose_kernel(
    logits, chosen, weights, tokens, experts, TOP_K: tl.constexpr, K: tl.constexpr, E: tl.constexpr, ROWS: tl.constexpr
):
    token = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    expert = tl.arange(0, E)
    real = token < tokens
    # Past the end the last token is read again: rows of -inf would have no softmax.
    place = tl.minimum(token, tokens - 1).to(tl.int64)[:, None] * experts + expert[None, :]
    left = tl.load(logits + place, mask=(expert < experts)[None, :], other=-float("inf")).to(tl.float32)
    top = tl.max(left, 1)
    which = tl.arange(0, K)
    picks = tl.zeros([ROWS, K], tl.int32)
    shares = tl.zeros([ROWS, K], tl.float32)
    for i in tl.static_range(TOP_K):
        best, at = tl.max(left, 1, return_indices=True, return_indices_tie_break_left=True)
        left = tl.where(expert[None, :] == at[:, None], -float("inf"), left)
        here = (which == i)[None, :]
        picks = tl.where(here, at[:, None].to(tl.int32), picks)
        shares = tl.where(here, tl.exp(best - top)[:, None], shares)
    shares = shares / tl.sum(shares, 1)[:, None]
    out = token[:, None] * TOP_K + which[None, :]
    kept = real[:, None] & (which < TOP_K)[None, :]
    tl.store(chosen + out, picks, mask=kept)
    tl.store(weights + out, shares.to(weights.dtype.element_ty), mask=kept)


@triton.jit
def _picked(chosen, token, expert, tokens, TOP_K: tl.constexpr, ROWS: tl.constexpr, E: tl.constexpr):
    """Whether each token takes each expert, int32 [ROWS, E]."""
    picked = tl.zeros([ROWS, E], tl.int32)
    for i in tl.static_range(TOP_K):
        at = tl.load(chosen + token * TOP_K + i, mask=token < tokens, other=-1)
        picked += (expert[None, :] == at[:, None]).to(tl.int32)
    return picked


@triton.jit
def _count_kernel(chosen, counts, tokens, TOP_K: tl.constexpr, E: tl.constexpr, ROWS: tl.constexpr):
    block = tl.program_id(0)
    token, expert = block * ROWS + tl.arange(0, ROWS), tl.arange(0, E)
    tl.store(counts + block * E + expert, tl.sum(_picked(chosen, token, expert, tokens, TOP_K, ROWS, E), 0))


@triton.jit
def _scan_kernel(counts, starts, ends, blocks, experts, E: tl.constexpr, STEP: tl.constexpr):
    """Turns counts into the copies of each expert in earlier blocks, and sums them up into the experts' ranges."""
    expert = tl.arange(0, E)
    total = tl.zeros([E], tl.int32)
    for first in range(0, blocks, STEP):
        block = first + tl.arange(0, STEP)
        place = counts + block[:, None] * E + expert[None, :]
        count = tl.load(place, mask=(block < blocks)[:, None], other=0)
        tl.store(place, tl.cumsum(count, 0) - count + total[None, :], mask=(block < blocks)[:, None])
        total += tl.sum(count, 0)
    until = tl.cumsum(total, 0)
    tl.store(starts + expert, until - total)
    tl.store(ends + expert, until, mask=expert < experts)


@triton.jit
def _place_kernel(
    chosen, before, starts, slot_of, source, tokens, TOP_K: tl.constexpr, E: tl.constexpr, ROWS: tl.constexpr
):
    block = tl.program_id(0)
    token, expert = block * ROWS + tl.arange(0, ROWS), tl.arange(0, E)
    picked = _picked(chosen, token, expert, tokens, TOP_K, ROWS, E)
    first = tl.load(before + block * E + expert) + tl.load(starts + expert)
    slots = tl.cumsum(picked, 0) - picked + first[None, :]
    for i in tl.static_range(TOP_K):
        at = tl.load(chosen + token * TOP_K + i, mask=token < tokens, other=-1)
        slot = tl.sum(tl.where(expert[None, :] == at[:, None], slots, 0), 1)
        tl.store(slot_of + token * TOP_K + i, slot, mask=token < tokens)
        tl.store(source + slot, token, mask=token < tokens)


@triton.jit
def _spread_kernel(x, slot_of, out, width, TOP_K: tl.constexpr, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < width
    value = tl.load(x + token * width + column, mask=inside)
    for i in range(TOP_K):
        slot = tl.load(slot_of + token * TOP_K + i).to(tl.int64)
        tl.store(out + slot * width + column, value, mask=inside)


def choose(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """The ``top_k`` experts of each token, best first, and their softmax weights, which add up to one.

    Of equal logits the expert with the lower index is taken, as engines do.

    Args:
        logits: [tokens, experts], contiguous.

    Returns:
        int32 [tokens, top_k], and weights of the logits' dtype, [tokens, top_k].
    """
    tokens, experts = logits.shape
    chosen = torch.empty(tokens, top_k, dtype=torch.int32, device=logits.device)
    weights = torch.empty(tokens, top_k, dtype=logits.dtype, device=logits.device)
    _choose_kernel[(triton.cdiv(tokens, _TOKENS),)](
        logits, chosen, weights, tokens, experts, TOP_K=top_k, K=triton.next_power_of_2(top_k),
        E=triton.next_power_of_2(experts), ROWS=_TOKENS, num_warps=4,
    )  # fmt: skip
    return chosen, weights


def sort_slots(chosen: Tensor, experts: int) -> tuple[Tensor, Tensor, Tensor]:
    """Sorts the tokens' copies by expert, and by token within an expert.

    Args:
        chosen: int [tokens, top_k], contiguous; a token's experts differ.

    Returns:
        Where each expert's copies end, int32 [experts]; the slot of each copy, int32 [tokens, top_k]; the token of each
        slot, int32 [tokens * top_k].
    """
    tokens, top_k = chosen.shape
    blocks, width = triton.cdiv(tokens, _TOKENS), triton.next_power_of_2(experts)
    made = torch.empty(blocks + 1, width, dtype=torch.int32, device=chosen.device)
    counts, starts = made[:blocks], made[blocks]
    ends = torch.empty(experts, dtype=torch.int32, device=chosen.device)
    slot_of = torch.empty(tokens, top_k, dtype=torch.int32, device=chosen.device)
    source = torch.empty(tokens * top_k, dtype=torch.int32, device=chosen.device)
    shape = {"TOP_K": top_k, "E": width, "ROWS": _TOKENS}
    _count_kernel[(blocks,)](chosen, counts, tokens, **shape, num_warps=4)
    _scan_kernel[(1,)](counts, starts, ends, blocks, experts, E=width, STEP=_SCAN, num_warps=8)
    _place_kernel[(blocks,)](chosen, counts, starts, slot_of, source, tokens, **shape, num_warps=4)
    return ends, slot_of, source


def spread(x: Tensor, slot_of: Tensor) -> Tensor:
    """Copies row t of x [tokens, H] to each of its slots: [tokens * top_k, H]."""
    tokens, top_k = slot_of.shape
    width = x.shape[1]
    out = torch.empty(tokens * top_k, width, dtype=x.dtype, device=x.device)
    block = min(2048, triton.next_power_of_2(width))
    _spread_kernel[(tokens, triton.cdiv(width, block))](x, slot_of, out, width, TOP_K=top_k, BLOCK=block, num_warps=8)
    return out
