"""Who may look at whom: the attention mask of a batch of draft blocks.

Keys are the S context positions followed by the N * B block positions. A block anchored at a sees the context strictly
before a and its own block; no block sees another. A sliding layer sees, for the query at place j of its block, the
positions a + j - window + 1 .. a + j (the window counts the token itself) and is causal within the block.
"""

from __future__ import annotations

import torch
from torch import Tensor


def context_mask(anchors: Tensor, keep: Tensor, block_size: int, context: int, window: int | None = None) -> Tensor:
    """What block queries see of the context, bool [R, N, B, S]; True means visible.

    Args:
        anchors: int64 [R, N], the absolute position of each block's first place.
        keep: bool [R, N]; a padded block (False) sees no context at all.
        context: S, the padded context length. Padding lies behind every anchor, hence needs no mask of its own.
    """
    key = torch.arange(context, device=anchors.device)
    seen = (key < anchors[..., None]) & keep[..., None]
    if window is None:
        return seen[:, :, None, :].expand(-1, -1, block_size, -1)
    place = torch.arange(block_size, device=anchors.device)
    lowest = anchors[..., None] + place - window + 1
    return seen[:, :, None, :] & (key >= lowest[..., None])


def inner_mask(block_size: int, window: int | None = None, device: torch.device | None = None) -> Tensor:
    """What a block's queries see of their own block, bool [B, B]. Every query sees itself, so no softmax is empty."""
    if window is None:
        return torch.ones(block_size, block_size, dtype=torch.bool, device=device)
    place = torch.arange(block_size, device=device)
    behind = place[:, None] - place[None, :]
    return (behind >= 0) & (behind < window)


def block_mask(anchors: Tensor, keep: Tensor, block_size: int, context: int, window: int | None = None) -> Tensor:
    """The whole mask for one dense attention call, bool [R, 1, N * B, S + N * B]."""
    rows, blocks = anchors.shape
    outer = context_mask(anchors, keep, block_size, context, window)
    same = torch.eye(blocks, dtype=torch.bool, device=anchors.device)
    inner = same[:, None, :, None] & inner_mask(block_size, window, anchors.device)[None, :, None, :]
    inner = inner.expand(rows, -1, -1, -1, -1).reshape(rows, blocks, block_size, blocks * block_size)
    return torch.cat((outer, inner), dim=-1).reshape(rows, 1, blocks * block_size, context + blocks * block_size)
