"""A vision block as transformers computes it, and an equivalent with our own kernels on CUDA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .attention import segment_attention
from .layout import Layout


def run_blocks(tower: Any, x: Tensor, cos: Tensor, sin: Tensor, layout: Layout) -> Iterator[Tensor]:
    """Runs the tower's blocks in sequence and yields the output of each.

    Args:
        x: [patches, width]. cos, sin: fp32 [patches, head width].
        layout: pictures, its bounds on the device.
    """
    if x.is_cuda and x.dtype == torch.bfloat16:
        yield from _fused(tower, x, cos.float(), sin.float(), layout)
        return
    for block in tower.blocks:
        x = block(x, cu_seqlens=layout.bounds, max_seqlen=layout.longest, position_embeddings=(cos, sin))
        yield x


def _fused(tower: Any, x: Tensor, cos: Tensor, sin: Tensor, layout: Layout) -> Iterator[Tensor]:
    from ..kernels.tower import add_layer_norm, layer_norm, rotate_

    first = tower.blocks[0].norm1
    normed = layer_norm(x, first.weight, first.bias, first.eps)
    for number, block in enumerate(tower.blocks):
        attention, mlp = block.attn, block.mlp
        qkv = attention.qkv(normed).view(len(x), 3, attention.num_heads, -1)
        rotate_(qkv, cos, sin)
        q, k, v = (part.transpose(0, 1)[None] for part in qkv.unbind(1))
        mixed = segment_attention(q, k, v, layout, attention.scaling, causal=False)
        norm = block.norm2
        x, normed = add_layer_norm(x, attention.proj(mixed.reshape(len(x), -1)), norm.weight, norm.bias, norm.eps)
        delta = mlp.linear_fc2(_activated(mlp, normed))
        if number + 1 < len(tower.blocks):
            norm = tower.blocks[number + 1].norm1
            x, normed = add_layer_norm(x, delta, norm.weight, norm.bias, norm.eps)
        else:
            x = x + delta
        yield x


def _activated(mlp: Any, x: Tensor) -> Tensor:
    """The first half of a block's MLP, x [patches, width] -> [patches, intermediate].

    The tanh form of GELU is applied by the product itself, to sums that are not rounded yet (28,160 patches, one H200:
    0.50 ms instead of 0.60).
    """
    from transformers.activations import GELUTanh

    if isinstance(mlp.act_fn, GELUTanh):
        fc = mlp.linear_fc1
        return torch._addmm_activation(fc.bias, x, fc.weight.t(), use_gelu=True)
    out: Tensor = mlp.act_fn(mlp.linear_fc1(x))
    return out
