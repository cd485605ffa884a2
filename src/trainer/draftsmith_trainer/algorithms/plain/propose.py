"""Greedy tokens from block states, place by place."""

from __future__ import annotations

import torch
from torch import Tensor

from ...kernels.products import linear


@torch.no_grad()
def propose_greedily(hidden: Tensor, lm_head: Tensor, chunk: int = 4096) -> Tensor:
    """The token with the largest logit at every place, int64 [...].

    Args:
        hidden: [..., H].
        lm_head: [V, H].
        chunk: number of places whose logits are alive at once.
    """
    flat = hidden.reshape(-1, hidden.shape[-1]).to(lm_head.dtype)
    ids = [linear(part, lm_head).argmax(dim=-1) for part in flat.split(chunk)]
    return torch.cat(ids).view(hidden.shape[:-1]) if ids else hidden.new_zeros(hidden.shape[:-1], dtype=torch.int64)
