"""A draft's decoder layer: Qwen3's, except that keys and values come from two sources.

Source: DFlash (arXiv 2602.06036). In every layer the same k and v projections are applied to the context (the target's
captured states, projected once by ``fc`` and ``hidden_norm``, not normed again) and to the layer's normed block states;
queries come from the block only. Heads are normed before the rotation, as in Qwen3.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import DraftConfig
from .linear import Linear
from .rotary import apply_rotary

Angles = tuple[Tensor, Tensor]
KeyValue = tuple[Tensor, Tensor]


class Attend(Protocol):
    """Attention of block queries over context and block keys; implementations decide which are visible."""

    def __call__(self, q: Tensor, context: KeyValue, block: KeyValue, window: int | None) -> Tensor:
        """q [R, heads, Q, D], keys and values [R, kv_heads, S or Q, D] -> [R, heads, Q, D]."""
        ...


class RMSNorm(nn.Module):
    """Root-mean-square norm, computed in fp32 and cast back before the weight, as Qwen3 does."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """x [..., size] -> the same shape and dtype."""
        if x.dtype == torch.float32:
            return F.rms_norm(x, (x.shape[-1],), self.weight.float(), self.eps)
        wide = F.rms_norm(x.float(), (x.shape[-1],), None, self.eps)
        return self.weight.to(x.dtype) * wide.to(x.dtype)


class Attention(nn.Module):
    """Grouped-query attention with per-head norms, over context and block."""

    def __init__(self, config: DraftConfig, layer: int) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        self.window = config.window_of(layer)
        bias = config.attention_bias
        self.q_proj = Linear(config.hidden_size, config.num_attention_heads * config.head_dim, bias=bias)
        self.k_proj = Linear(config.hidden_size, config.num_key_value_heads * config.head_dim, bias=bias)
        self.v_proj = Linear(config.hidden_size, config.num_key_value_heads * config.head_dim, bias=bias)
        self.o_proj = Linear(config.num_attention_heads * config.head_dim, config.hidden_size, bias=bias)
        self.q_norm = RMSNorm(config.head_dim, config.rms_norm_eps)
        self.k_norm = RMSNorm(config.head_dim, config.rms_norm_eps)

    def keys_values(self, x: Tensor, angles: Angles) -> KeyValue:
        """x [R, S, H] -> rotated keys and values, each [R, kv_heads, S, D]."""
        keys = apply_rotary(self.k_norm(self._heads(self.k_proj(x))), *angles)
        return keys, self._heads(self.v_proj(x))

    def forward(self, x: Tensor, context: KeyValue, angles: Angles, attend: Attend) -> Tensor:
        """x [R, Q, H], the normed block states; context as :meth:`keys_values` made it -> [R, Q, H]."""
        queries = apply_rotary(self.q_norm(self._heads(self.q_proj(x))), *angles)
        mixed = attend(queries, context, self.keys_values(x, angles), self.window)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, config: DraftConfig) -> None:
        super().__init__()
        self.gate_proj = Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., H] -> [..., H]."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """One pre-norm decoder layer."""

    def __init__(self, config: DraftConfig, layer: int) -> None:
        super().__init__()
        self.self_attn = Attention(config, layer)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x: Tensor, context: KeyValue, angles: Angles, attend: Attend) -> Tensor:
        """x [R, Q, H] block states -> [R, Q, H]."""
        x = x + self.self_attn(self.input_layernorm(x), context, angles, attend)
        return x + self.mlp(self.post_attention_layernorm(x))
