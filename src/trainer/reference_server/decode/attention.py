"""Attention of rows of different lengths over cached keys."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .rows import RowRules


def row_mask(past: Tensor, tokens: int, groups: int, keys: int, rules: RowRules, like: Tensor) -> Tensor:
    """The mask for ``tokens`` new tokens per row after ``past`` cached ones (int64 [R]); see :func:`packed_mask`."""
    last = past[:, None] + torch.arange(tokens, device=like.device)
    seen = torch.arange(keys, device=like.device) <= last[..., None]
    return packed_mask(seen, groups, rules, like)


def packed_mask(seen: Tensor, groups: int, rules: RowRules, like: Tensor) -> Tensor:
    """The additive mask [R, 1, Q, T] for :func:`attend`, from the keys that queries may attend to, bool [R, n, T].

    The query heads that share a key-value head are packed into the query axis (groups x n queries), so that keys are
    never repeated. ``rules`` pads that number to Q; the padding queries attend to everything.
    """
    R, tokens, keys = seen.shape
    packed = groups * tokens
    mask = like.new_zeros(R, rules.queries(packed), keys)
    mask[:, :packed].view(R, groups, tokens, keys).masked_fill_(~seen[:, None], float("-inf"))
    return mask.unsqueeze(1)


def attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float | None = None) -> Tensor:
    """Attention of n new tokens per row.

    Args:
        query: [R, heads, n, D].
        keys, values: [R, kv_heads, T, D].
        mask: from :func:`packed_mask`, or None for a single row with an empty cache (plain causal attention, T = n).
        scaling: factor of the scores; None for D ** -0.5.

    Returns:
        [R, heads, n, D].
    """
    if mask is None:
        return F.scaled_dot_product_attention(query, keys, values, is_causal=True, scale=scaling, enable_gqa=True)
    R, heads, tokens, D = query.shape
    kv_heads = keys.shape[1]
    packed = heads // kv_heads * tokens
    q = F.pad(query.reshape(R, kv_heads, packed, D), (0, 0, 0, mask.shape[2] - packed))
    out = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, scale=scaling)
    return out[:, :, :packed].reshape(R, heads, tokens, D)
