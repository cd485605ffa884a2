"""Qwen3-VL's decoder layers with our own kernels between the matrix products, for CUDA in bf16.

The same computation as transformers' layers, in fewer passes: queries, keys and values come from one product, gate and
up from another; the residual is added where the next norm reads it; heads are normed and rotated in place, in the
layout that attention reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import segment_attention
from .experts import experts_forward
from .layout import Layout

_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm")
_DENSE, _SPARSE = ("gate_proj", "up_proj", "down_proj"), ("gate", "experts")


@dataclass(frozen=True)
class _Joined:
    """Several projections of one input as one product."""

    weight: Tensor
    bias: Tensor | None

    @staticmethod
    def of(*parts: Any) -> _Joined:
        """Joins the weights; the modules keep them as views, so nothing is stored twice."""
        return _Joined(_join([part.weight for part in parts]), _join_biases([part.bias for part in parts]))

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class TextLayer:
    """One decoder layer. Takes and returns the residual stream in two parts, whose sum it is."""

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self._layer, self._sparse = layer, hasattr(mlp, "experts")
        self._heads = attention.config.num_attention_heads
        self._kv_heads = attention.config.num_key_value_heads
        self._qkv = _Joined.of(attention.q_proj, attention.k_proj, attention.v_proj)
        self._gate_up = None if self._sparse else _Joined.of(mlp.gate_proj, mlp.up_proj)

    def __call__(
        self, x: Tensor, delta: Tensor | None, cos: Tensor, sin: Tensor, layout: Layout
    ) -> tuple[Tensor, Tensor]:
        """Runs the layer on x + delta; overwrites x.

        Args:
            x, delta: [T, H]. cos, sin: [T, D]. layout: the documents.
        """
        from ..kernels.text import add_rms_norm_, norm_rotate_

        layer, attention = self._layer, self._layer.self_attn
        norm = layer.input_layernorm
        qkv = self._qkv(add_rms_norm_(x, delta, norm.weight, norm.variance_epsilon))
        heads, kv_heads, width = self._heads, self._kv_heads, cos.shape[-1]
        q_norm = attention.q_norm
        norm_rotate_(qkv, q_norm.weight, attention.k_norm.weight, cos, sin, heads, kv_heads, q_norm.variance_epsilon)
        parts = qkv.view(len(x), -1, width).split([heads, kv_heads, kv_heads], dim=1)
        q, k, v = (part.transpose(0, 1)[None] for part in parts)
        mixed = segment_attention(q, k, v, layout, attention.scaling, causal=True)
        norm = layer.post_attention_layernorm
        mixed = attention.o_proj(mixed.reshape(len(x), -1))
        return x, self._mlp(add_rms_norm_(x, mixed, norm.weight, norm.variance_epsilon))

    def _mlp(self, normed: Tensor) -> Tensor:
        mlp = self._layer.mlp
        if self._gate_up is not None:
            from ..kernels.experts import swiglu

            return mlp.down_proj(swiglu(self._gate_up(normed)))
        from ..kernels.routing import choose

        router = mlp.gate
        chosen, weights = choose(F.linear(normed, router.weight), router.top_k)
        return experts_forward(mlp.experts, normed, chosen, weights)


def fits(layer: Any) -> bool:
    """Whether a layer is of the form that :class:`TextLayer` computes."""
    attention, mlp = getattr(layer, "self_attn", None), getattr(layer, "mlp", None)
    config = getattr(attention, "config", None)
    if attention is None or mlp is None or getattr(config, "hidden_act", None) != "silu":
        return False
    if not type(attention).__name__.startswith("Qwen3VL") or not all(hasattr(attention, name) for name in _ATTENTION):
        return False
    return all(hasattr(mlp, name) for name in (_SPARSE if hasattr(mlp, "experts") else _DENSE))


def _join(tensors: list[Tensor]) -> Tensor:
    joined = torch.cat([tensor.data for tensor in tensors])
    for tensor, view in zip(tensors, joined.split([len(tensor) for tensor in tensors]), strict=True):
        tensor.data = view
    return joined


def _join_biases(biases: list[Tensor | None]) -> Tensor | None:
    present = [bias for bias in biases if bias is not None]
    return _join(present) if present else None
