"""Gated delta net layers (Qwen3.5, Qwen3.6) over packed documents.

State must not leak from one document into the next: the recurrence takes the documents' bounds (as ``fla``'s chunked
kernel does), and the short convolution before it looks back only within a document.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base.eager import eager
from .layout import Layout, current

#: What to install for the fast recurrence.
INSTALL = "pip install flash-linear-attention==0.6.0 fla-core==0.6.0 einops"


def has_recurrence(model: Any) -> bool:
    """Whether the model has gated delta net layers."""
    return any(hasattr(layer, "linear_attn") for layer in model.model.language_model.layers)


def fla_missing() -> bool:
    """Whether the package with the packed recurrence is missing."""
    return find_spec("fla") is None


def install(model: Any) -> None:
    """Makes gated delta net layers respect the current text layout, if there is one."""
    for layer in model.model.language_model.layers:
        mixer = getattr(layer, "linear_attn", None)
        if mixer is not None and not isinstance(mixer.forward, partial):
            mixer.forward = partial(_forward, mixer, mixer.forward)


def segment_convolution(x: Tensor, weight: Tensor, place: Tensor) -> Tensor:
    """Causal depthwise convolution that restarts with every document, before the activation.

    Args:
        x: [1, T, channels]. weight: [channels, taps]; the last tap is for the current token.
        place: int [T], each token's index in its document.
    """
    taps = weight.shape[1]
    out = x * weight[:, taps - 1]
    for back in range(1, taps):
        earlier = F.pad(x, (0, 0, back, 0))[:, : x.shape[1]]
        out = out + torch.where((place >= back)[:, None], earlier, 0) * weight[:, taps - 1 - back]
    return out


def _forward(mixer: Any, plain: Any, hidden_states: Tensor, **arguments: Any) -> Tensor:
    layout = current.text
    if layout is None:
        return plain(hidden_states, **arguments)
    q, k, v, z, decay, beta = _before(mixer, hidden_states, layout.places)
    mixed = _recurrence(mixer, q, k, v, decay, beta, layout)
    return _after(mixer, mixed, z, hidden_states)


def _before(mixer: Any, x: Tensor, place: Tensor) -> tuple[Tensor, ...]:
    """Queries, keys, values, gate, log decay and step size, computed as in the module's own forward."""
    mixed = mixer.in_proj_qkv(x)
    weight = mixer.conv1d.weight.squeeze(1)
    mixed = F.silu(segment_convolution(mixed, weight, place))
    q, k, v = mixed.split([mixer.key_dim, mixer.key_dim, mixer.value_dim], dim=-1)
    q, k = (part.unflatten(-1, (-1, mixer.head_k_dim)) for part in (q, k))
    v = v.unflatten(-1, (-1, mixer.head_v_dim))
    repeat = mixer.num_v_heads // mixer.num_k_heads
    if repeat > 1:
        q, k = (part.repeat_interleave(repeat, dim=2) for part in (q, k))
    beta = mixer.in_proj_b(x).sigmoid()
    decay = -mixer.A_log.float().exp() * F.softplus(mixer.in_proj_a(x).float() + mixer.dt_bias)
    return q, k, v, mixer.in_proj_z(x), decay, beta


def _after(mixer: Any, mixed: Tensor, z: Tensor, x: Tensor) -> Tensor:
    width = mixer.head_v_dim
    normed = mixer.norm(mixed.reshape(-1, width), z.reshape(-1, width))
    return mixer.out_proj(normed.reshape(*x.shape[:2], -1))


@eager
def _recurrence(mixer: Any, q: Tensor, k: Tensor, v: Tensor, decay: Tensor, beta: Tensor, layout: Layout) -> Tensor:
    if q.is_cuda and not fla_missing():
        from fla.ops.gated_delta_rule import chunk_gated_delta_rule

        return chunk_gated_delta_rule(
            q, k, v, g=decay, beta=beta, use_qk_l2norm_in_kernel=True, cu_seqlens=layout.wide
        )[0]
    # The reference: transformers' own recurrence, document by document.
    rule = getattr(mixer, "chunk_gated_delta_rule", None)
    rule = rule or import_module(type(mixer).__module__).torch_chunk_gated_delta_rule
    parts = zip(*(x.split(list(layout.lengths), dim=1) for x in (q, k, v, decay, beta)), strict=True)
    return torch.cat(
        [
            rule(q, k, v, g=decay, beta=beta, output_final_state=False, use_qk_l2norm_in_kernel=True)[0]
            for q, k, v, decay, beta in parts
        ],
        dim=1,
    )
