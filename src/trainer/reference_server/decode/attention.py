"""Attention over rows of different length, as an attention implementation that transformers can be told to use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

from .rows import RowRules

NAME = "draftsmith_rows"


def row_mask(past: list[int], tokens: int, groups: int, keys: int, rules: RowRules, like: Tensor) -> Tensor:
    """Additive mask [R, 1, Q, T] for ``tokens`` new tokens per row after ``past`` cached ones.

    The query heads that share a key-value head are packed into the query axis (groups x tokens queries), so that keys
    are never repeated; Q is that number filled up by ``rules``, and the added queries may see everything.
    """
    R = len(past)
    seen = torch.tensor(past, device=like.device).view(R, 1, 1) + torch.arange(tokens, device=like.device).view(
        1, -1, 1
    )
    hidden = torch.arange(keys, device=like.device).view(1, 1, -1) > seen
    packed = groups * tokens
    mask = like.new_zeros(R, rules.queries(packed), keys)
    mask[:, :packed].masked_fill_(hidden.repeat(1, groups, 1), float("-inf"))
    return mask.unsqueeze(1)


def attend_rows(
    module: torch.nn.Module,  # noqa: ARG001 - the interface has it
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **_kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' attention interface.

    Args:
        module: the attention layer.
        query: [rows, heads, n, D]; rows beyond those of the keys only fill the matrix and get zeros back.
        key, value: [R, kv_heads, T, D].
        attention_mask: from ``row_mask``, or None for one row without a past (plain causal attention).

    Returns:
        [rows, n, heads, D] and no weights.
    """
    rows, heads, tokens, D = query.shape
    R, kv_heads = key.shape[:2]
    if attention_mask is None:
        out = F.scaled_dot_product_attention(query[:R], key, value, is_causal=True, scale=scaling, enable_gqa=True)
    else:
        packed = heads // kv_heads * tokens
        q = query[:R].reshape(R, kv_heads, packed, D)
        q = F.pad(q, (0, 0, 0, attention_mask.shape[2] - packed))
        out = F.scaled_dot_product_attention(q, key, value, attn_mask=attention_mask, scale=scaling)
        out = out[:, :, :packed].reshape(R, heads, tokens, D)
    out = out.transpose(1, 2)
    if rows > R:
        out = F.pad(out, (0, 0, 0, 0, 0, 0, 0, rows - R))
    return out, None


# Registered as an attention but not as a mask function: transformers then passes our own mask through untouched.
AttentionInterface.register(NAME, attend_rows)


@contextmanager
def row_attention(text_config: Any) -> Iterator[None]:
    """Uses ``attend_rows`` inside the block and whatever was set before outside, so that a model can be shared."""
    before = text_config._attn_implementation
    text_config._attn_implementation = NAME
    try:
        yield
    finally:
        text_config._attn_implementation = before
