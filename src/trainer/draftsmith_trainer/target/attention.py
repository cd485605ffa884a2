"""Attention within the segments of a packed sequence, registered with transformers as an attention function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..base.eager import eager
from .layout import Layout, current

#: transformers passes packed sequences only to functions whose name contains "flash".
NAME = "flash_draftsmith_segments"

_HALF = (torch.bfloat16, torch.float16)

#: Head widths that FlashAttention-2 has a kernel for.
_FLASH_WIDTHS = (32, 64, 96, 128, 192, 256)


def segment_attention(q: Tensor, k: Tensor, v: Tensor, layout: Layout, scale: float, causal: bool) -> Tensor:
    """Attention of every token to the tokens of its own segment.

    On CUDA in 16 bits, all segments share one call: causal, of :mod:`..kernels.causal_attention` where it fits (8 x
    1,400 tokens, 32 heads, 4 of keys, one H200: 0.43 ms instead of 0.54), else of variable-length FlashAttention-2,
    which would run the towers' heads of 72 channels in its 96-wide kernel, so pictures of equal size are batched
    through cuDNN instead, 1.5 times as fast. (The variable-length form of cuDNN plans anew in every call, for 43 ms.)
    Everywhere else each segment is a separate call: the reference.

    Args:
        q: [1, heads, T, D]. k, v: [1, kv_heads, T, D]; kv_heads divides heads.

    Returns:
        [1, T, heads, D].
    """
    if not q.is_cuda or q.dtype not in _HALF:
        return _one_by_one(q, k, v, layout, scale, causal)
    if not causal and q.shape[-1] not in _FLASH_WIDTHS:
        return _batches(q, k, v, layout, scale)
    tokens = q[0].transpose(0, 1), k[0].transpose(0, 1), v[0].transpose(0, 1)
    bounds, longest = layout.bounds, layout.longest
    if causal:
        from ..kernels.causal_attention import causal_attention, fits

        if fits(*tokens, longest):
            return causal_attention(*tokens, bounds, longest, scale)[None]
    out = torch.ops.aten._flash_attention_forward(
        *tokens, bounds, bounds, longest, longest, 0.0, causal, False, scale=scale
    )[0]
    return out[None]


@contextmanager
def segmented(model: Any) -> Iterator[None]:
    """Within the body, text and tower of ``model`` use :func:`segment_attention` over the current layouts."""
    _register()
    configs = [model.config.text_config, model.config.vision_config]
    before = [config._attn_implementation_internal for config in configs]
    for config in configs:
        config._attn_implementation_internal = NAME
    try:
        yield
    finally:
        for config, name in zip(configs, before, strict=True):
            config._attn_implementation_internal = name


@eager
def _interface(
    module: Any, q: Tensor, k: Tensor, v: Tensor, attention_mask: Tensor | None, scaling: float, **_: Any
) -> tuple[Tensor, None]:
    causal = bool(module.is_causal)
    layout = current.text if causal else current.pictures
    assert layout is not None and attention_mask is None
    return segment_attention(q, k, v, layout, scaling, causal), None


def _register() -> None:
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _interface)


def _one_by_one(q: Tensor, k: Tensor, v: Tensor, layout: Layout, scale: float, causal: bool) -> Tensor:
    shared = q.shape[1] != k.shape[1]
    done = [
        F.scaled_dot_product_attention(*part, is_causal=causal, scale=scale, enable_gqa=shared).transpose(1, 2)  # type: ignore[misc]
        for part in zip(*(x.split(list(layout.lengths), dim=2) for x in (q, k, v)), strict=True)
    ]
    return torch.cat(done, dim=1)


def _batches(q: Tensor, k: Tensor, v: Tensor, layout: Layout, scale: float) -> Tensor:
    done, at = [], 0
    for count, length in layout.groups:
        # cuDNN builds a plan for every batch size and length, which takes a moment; powers of two keep them few.
        for size in _powers(count):
            end = at + size * length
            part = [x[0, :, at:end].unflatten(1, (size, length)).transpose(0, 1) for x in (q, k, v)]
            with sdpa_kernel([SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION], set_priority=True):
                out = F.scaled_dot_product_attention(part[0], part[1], part[2], scale=scale)
            done.append(out.transpose(1, 2).reshape(1, size * length, *out.shape[1::2]))
            at = end
    return done[0] if len(done) == 1 else torch.cat(done, dim=1)


def _powers(count: int) -> list[int]:
    """Powers of two, each at most 8, in descending order, that sum to ``count``."""
    made = [8] * (count // 8)
    return made + [power for power in (4, 2, 1) if count % 8 & power]
