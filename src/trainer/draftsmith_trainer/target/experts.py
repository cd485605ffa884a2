"""Mixture of experts on CUDA: routing and elementwise work around the grouped matmuls, in three small kernels.

transformers' grouped implementation spends more than half of its time on masks, copies and a separate weighted sum
(11,200 tokens, 128 experts, one H200: 4.75 ms per layer; 2.10 ms here, bit for bit the same result).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base.eager import eager


def install(model: Any) -> int:
    """Makes every mixture of experts in ``model`` run :func:`experts_forward`; returns their number."""
    count = 0
    for layer in model.model.language_model.layers:
        experts = getattr(getattr(layer, "mlp", None), "experts", None)
        if experts is None or not hasattr(experts, "gate_up_proj"):
            continue
        experts.forward = partial(experts_forward, experts)
        count += 1
    return count


@eager
def experts_forward(experts: Any, hidden: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """Computes what transformers' experts module does, [tokens, H].

    Args:
        experts: a module with gate_up_proj [E, 2 I, H] and down_proj [E, H, I].
        hidden: [tokens, H], 16-bit. chosen: int64 [tokens, top_k]. weights: [tokens, top_k].
    """
    from ..kernels.experts import combine, swiglu

    tokens, top_k = chosen.shape
    number = experts.gate_up_proj.shape[0]
    # A narrow key sorts in fewer passes; a stable sort makes a token's slot depend on the routing alone.
    key = chosen.reshape(-1).to(torch.uint8 if number <= 256 else torch.int32)
    ordered, order = torch.sort(key, stable=True)
    ends = torch.searchsorted(
        ordered.int(), torch.arange(1, number + 1, dtype=torch.int32, device=key.device), out_int32=True
    )
    wide = F.grouped_mm(hidden[order // top_k], experts.gate_up_proj.transpose(-2, -1), offs=ends)
    out = F.grouped_mm(swiglu(wide), experts.down_proj.transpose(-2, -1), offs=ends)
    slot_of = torch.empty_like(order, dtype=torch.int32)
    slot_of[order] = torch.arange(tokens * top_k, dtype=torch.int32, device=key.device)
    return combine(out, slot_of.view(tokens, top_k), weights)
