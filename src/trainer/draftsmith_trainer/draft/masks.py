"""The attention mask of a batch of draft blocks.

Keys are the C context positions followed by the N * B block positions. A block sees the context low .. high - 1 (its
document, strictly before its anchor) and its own places; no block sees another. In a sliding layer the query at place j
of its block sees the context from high + j - window + 1 on (the window includes the token itself), and attention within
the block is causal.
"""

from __future__ import annotations

import torch
from torch import Tensor


def context_mask(low: Tensor, high: Tensor, block_size: int, context: int, window: int | None = None) -> Tensor:
    """Visibility of the context to block queries, bool [N, B, C]; True means visible.

    Args:
        low, high: int [N], the visible range of each block; empty for padding, which sees no context.
        context: C.
    """
    key = torch.arange(context, device=low.device)
    seen = (key >= low[:, None]) & (key < high[:, None])
    if window is None:
        return seen[:, None, :].expand(-1, block_size, -1)
    place = torch.arange(block_size, device=low.device)
    lowest = high[:, None] + place - window + 1
    return seen[:, None, :] & (key >= lowest[..., None])


def inner_mask(block_size: int, window: int | None = None, device: torch.device | None = None) -> Tensor:
    """Visibility within a block, bool [B, B]. Every query sees itself, so no softmax is empty."""
    if window is None:
        return torch.ones(block_size, block_size, dtype=torch.bool, device=device)
    place = torch.arange(block_size, device=device)
    behind = place[:, None] - place[None, :]
    return (behind >= 0) & (behind < window)


def block_mask(low: Tensor, high: Tensor, block_size: int, context: int, window: int | None = None) -> Tensor:
    """The full mask for one dense attention call, bool [1, 1, N * B, C + N * B]."""
    blocks = len(low)
    outer = context_mask(low, high, block_size, context, window)
    same = torch.eye(blocks, dtype=torch.bool, device=low.device)
    inner = same[:, None, :, None] & inner_mask(block_size, window, low.device)[None, :, None, :]
    inner = inner.reshape(blocks, block_size, blocks * block_size)
    return torch.cat((outer, inner), dim=-1).reshape(1, 1, blocks * block_size, context + blocks * block_size)
