"""A batched forward pass over a Qwen3-VL model's own parameters, for images of one size.

transformers loops over images in Python, which makes training a small model three times slower. The layers here are
plain functions of tensors, so that one compilation serves all of them. Tests compare the result with transformers'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from .build import MERGE, PATCH
from .inputs import Batch, patches

Weights = tuple[Tensor, ...]
_EPS = 1e-6

_VISION = (
    "norm1.weight", "norm1.bias", "attn.qkv.weight", "attn.qkv.bias", "attn.proj.weight", "attn.proj.bias",
    "norm2.weight", "norm2.bias", "mlp.linear_fc1.weight", "mlp.linear_fc1.bias", "mlp.linear_fc2.weight",
    "mlp.linear_fc2.bias",
)  # fmt: skip
_TEXT = (
    "input_layernorm.weight", "self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight",
    "self_attn.q_norm.weight", "self_attn.k_norm.weight", "self_attn.o_proj.weight", "post_attention_layernorm.weight",
    "mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight",
)  # fmt: skip
_MERGER = ("norm.weight", "norm.bias", "linear_fc1.weight", "linear_fc1.bias", "linear_fc2.weight", "linear_fc2.bias")


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Applies rotary embeddings to x [..., D], which pair channel i with channel i + D / 2."""
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), dim=-1) * sin


def vision_block(x: Tensor, cos: Tensor, sin: Tensor, heads: int, w: Weights) -> Tensor:
    """One vision block: x [N, P, D], cos and sin [P, D / heads]."""
    n, p, d = x.shape
    qkv = F.linear(F.layer_norm(x, (d,), w[0], w[1], _EPS), w[2], w[3]).view(n, p, 3, heads, d // heads)
    q, k, v = (t.transpose(1, 2) for t in qkv.unbind(2))
    seen = F.scaled_dot_product_attention(_turn(q, cos, sin).to(v.dtype), _turn(k, cos, sin).to(v.dtype), v)
    x = x + F.linear(seen.transpose(1, 2).reshape(n, p, d), w[4], w[5])
    y = F.linear(F.layer_norm(x, (d,), w[6], w[7], _EPS), w[8], w[9])
    return x + F.linear(F.gelu(y, approximate="tanh"), w[10], w[11])


def text_layer(x: Tensor, cos: Tensor, sin: Tensor, head: int, w: Weights) -> Tensor:
    """One decoder layer, causal: x [B, S, H], cos and sin [B, 1, S, head]."""
    b, s, h = x.shape
    y = F.rms_norm(x, (h,), w[0], _EPS)
    q, k, v = (F.linear(y, w[i]).view(b, s, -1, head).transpose(1, 2) for i in (1, 2, 3))
    q = _turn(F.rms_norm(q, (head,), w[4].to(q.dtype), _EPS), cos, sin).to(v.dtype)
    k = _turn(F.rms_norm(k, (head,), w[5].to(k.dtype), _EPS), cos, sin).to(v.dtype)
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    x = x + F.linear(seen.transpose(1, 2).reshape(b, s, -1), w[6])
    y = F.rms_norm(x, (h,), w[7], _EPS)
    return x + F.linear(F.silu(F.linear(y, w[8])) * F.linear(y, w[9]), w[10])


def merge(x: Tensor, w: Weights, norm_first: bool) -> Tensor:
    """Merges patches [N * P, D] by fours into visual tokens [N * P / 4, H]; the norm spans one patch or all four."""
    wide = MERGE * MERGE * x.shape[-1]
    if norm_first:
        x = F.layer_norm(x, (x.shape[-1],), w[0], w[1], _EPS).reshape(-1, wide)
    else:
        x = F.layer_norm(x.reshape(-1, wide), (wide,), w[0], w[1], _EPS)
    return F.linear(F.gelu(F.linear(x, w[2], w[3])), w[4], w[5])


class FastModel:
    """The batched forward pass of `model`, a Qwen3VLForConditionalGeneration, whose parameters are shared."""

    def __init__(self, model: torch.nn.Module, compiled: bool = False) -> None:
        inner = cast(Any, model).model
        self.visual, self.text, self.config = inner.visual, inner.language_model, cast(Any, model).config
        self._blocks = [_collect(block, _VISION) for block in self.visual.blocks]
        self._layers = [_collect(layer, _TEXT) for layer in self.text.layers]
        self._merger = _collect(self.visual.merger, _MERGER)
        self._deep = [_collect(merger, _MERGER) for merger in self.visual.deepstack_merger_list]
        wrap: Callable[..., Any] = (lambda f: torch.compile(f, dynamic=True)) if compiled else (lambda f: f)
        self._vision_block: Callable[..., Tensor] = wrap(vision_block)
        self._text_layer: Callable[..., Tensor] = wrap(text_layer)
        self._tables: dict[tuple[int, int], tuple[Tensor, ...]] = {}
        head = self.config.text_config.head_dim
        theta = self.config.text_config.rope_parameters["rope_theta"]
        device = self.text.norm.weight.device
        self._frequencies = 1.0 / theta ** (torch.arange(0, head, 2, dtype=torch.float, device=device) / head)
        section = self.config.text_config.rope_parameters["mrope_section"]
        axis = torch.zeros(head // 2, dtype=torch.long)
        for which in (1, 2):  # interleaved: height and width take every third frequency each, the rest is temporal
            axis[which : section[which] * 3 : 3] = which
        self._axis = axis.to(device)

    def _table(self, height: int, width: int, device: torch.device) -> tuple[Tensor, ...]:
        """For height x width patches: cos and sin [P, D], and indices and weights [P, 4] into the position table."""
        if (height, width) in self._tables:
            return self._tables[height, width]
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")

        def ordered(t: Tensor) -> Tensor:  # from raster order to the order of merge blocks
            return t.view(height // MERGE, MERGE, width // MERGE, MERGE).transpose(1, 2).reshape(-1)

        y, x = ordered(rows), ordered(columns)
        dim = self.visual.config.hidden_size // self.visual.config.num_heads // 2
        frequencies = 1.0 / 10000.0 ** (torch.arange(0, dim, 2, dtype=torch.float) / dim)
        angles = torch.cat((y[:, None] * frequencies, x[:, None] * frequencies), dim=1)
        angles = torch.cat((angles, angles), dim=1)
        side = self.visual.num_grid_per_side
        fy, fx = (t.float() * (side - 1) / max(n - 1, 1) for t, n in ((y, height), (x, width)))
        y0, x0 = fy.long(), fx.long()
        y1, x1 = (y0 + 1).clamp(max=side - 1), (x0 + 1).clamp(max=side - 1)
        dy, dx = fy - y0, fx - x0
        corners = torch.stack((y0 * side + x0, y0 * side + x1, y1 * side + x0, y1 * side + x1), dim=1)
        shares = torch.stack(((1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx), dim=1)
        made = tuple(t.to(device) for t in (angles.cos(), angles.sin(), corners, shares))
        self._tables[height, width] = made
        return made

    def see(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """uint8 [N, height, width, 3] -> visual tokens [N * tokens, H], and the same for each deepstack level."""
        cos, sin, corners, shares = self._table(pixels.shape[1] // PATCH, pixels.shape[2] // PATCH, pixels.device)
        projection = self.visual.patch_embed.proj
        x = F.linear(patches(pixels), projection.weight.flatten(1), projection.bias)
        x = x + (self.visual.pos_embed.weight[corners] * shares[..., None]).sum(1)
        deep: list[Tensor] = []
        for i, w in enumerate(self._blocks):
            x = self._vision_block(x, cos, sin, self.visual.config.num_heads, w)
            if i in self.visual.deepstack_visual_indexes:
                deep.append(merge(x, self._deep[self.visual.deepstack_visual_indexes.index(i)], norm_first=False))
        return merge(x, self._merger, norm_first=True), deep

    def read(
        self, ids: Tensor, positions: Tensor, visual_index: Tensor, seen: Tensor, deep: Sequence[Tensor]
    ) -> Tensor:
        """The text model's states [B * S, H] after the final norm; sequences must be padded on the right."""
        x = F.embedding(ids, self.text.embed_tokens.weight)
        b, s, h = x.shape
        seen = seen[: len(visual_index)]
        x = x.view(-1, h).index_copy(0, visual_index, seen.to(x.dtype)).view(b, s, h)
        angles = positions[self._axis].permute(1, 2, 0) * self._frequencies  # [B, S, head / 2]
        angles = torch.cat((angles, angles), dim=-1).unsqueeze(1)
        cos, sin = angles.cos(), angles.sin()
        for i, w in enumerate(self._layers):
            x = self._text_layer(x, cos, sin, self.config.text_config.head_dim, w)
            if i < len(deep):
                level = deep[i][: len(visual_index)].to(x.dtype)
                x = x.view(-1, h).index_add(0, visual_index, level).view(b, s, h)
        return F.rms_norm(x, (h,), self.text.norm.weight, _EPS).view(-1, h)

    def logits(self, batch: Batch) -> Tensor:
        """Logits [L, V] that predict the batch's labels."""
        seen, deep = self.see(batch.pixels)
        states = self.read(batch.ids, batch.positions, batch.visual_index, seen, deep)
        return F.linear(states[batch.label_index], self.text.embed_tokens.weight)


def _collect(module: torch.nn.Module, names: Sequence[str]) -> Weights:
    return tuple(module.get_parameter(name) for name in names)
