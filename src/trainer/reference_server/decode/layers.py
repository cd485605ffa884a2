"""The text model's layers, computed from transformers' weights over flat tokens: nothing per call but the products.

Equal to transformers' own forward in float32 up to the order in which a product adds up: the same norms, rotation,
attention and MLP. Projections that read the same input are one product. Experts and gated delta nets are run by
transformers' modules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import attend
from .cache import RowCache
from .compat import cache_argument
from .linear import Product

#: Cosines and signed sines of each token, [M, 1, width].
Angles = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Part:
    """Consecutive rows with equally many new tokens: a part of one forward.

    Attributes:
        first: the first row of the cache. rows: R.
        tokens: new tokens per row, n.
        start: index of the part's first token among all tokens of the forward; row by row from there.
        keys: T, over how many keys to attend.
        mask: from ``row_mask``, or None.
        has_past: whether the rows hold tokens already (recurrent layers start from nothing otherwise).
    """

    first: int
    rows: int
    tokens: int
    start: int
    keys: int
    mask: Tensor | None
    has_past: bool

    @property
    def span(self) -> slice:
        """Its tokens among those of the forward."""
        return slice(self.start, self.start + self.rows * self.tokens)


@dataclass(frozen=True)
class Plan:
    """What the layers of one forward share.

    Attributes:
        parts: in the order of their tokens.
        angles: of all tokens.
        slots: from ``KeyRows.slots``, of all tokens that are cached: those of the parts.
    """

    parts: list[Part]
    angles: Angles
    slots: Tensor


class Norm:
    """A root-mean-square norm of transformers, with the scale that Qwen3-VL stores and that Qwen3.5 stores less one."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self.scale: Tensor = module.weight if hasattr(module, "variance_epsilon") else 1.0 + module.weight.float()
        self.eps: float = getattr(module, "variance_epsilon", None) or module.eps
        # Narrow types are cast back at different places, which the module knows.
        self.direct = module.weight.dtype == torch.float32

    def __call__(self, x: Tensor) -> Tensor:
        """[..., width] -> the same."""
        return F.rms_norm(x, (x.shape[-1],), self.scale, self.eps) if self.direct else self._module(x)


class HeadNorms:
    """The norms of query and key heads side by side."""

    def __init__(self, query: Any, key: Any, heads: int, kv_heads: int) -> None:
        self._query, self._key, self._heads = Norm(query), Norm(key), heads
        scales = [self._query.scale.expand(heads, -1), self._key.scale.expand(kv_heads, -1)]
        self._scale = torch.cat(scales)

    def __call__(self, x: Tensor) -> Tensor:
        """[M, heads + kv_heads, D] -> the same, in new memory."""
        if self._query.direct and self._query.eps == self._key.eps:
            return F.rms_norm(x, (x.shape[-1],), None, self._query.eps).mul_(self._scale)
        return torch.cat((self._query(x[:, : self._heads]), self._key(x[:, self._heads :])), dim=1)


def rotate(x: Tensor, angles: Angles) -> Tensor:
    """Rotates the first channels of heads [M, heads, D] in place, as many as the angles are wide."""
    cos, sin = angles
    width = cos.shape[-1]
    turned = x if width == x.shape[-1] else x[..., :width]
    first, second = turned.chunk(2, dim=-1)
    swapped = torch.cat((second, first), dim=-1).mul_(sin)
    turned.mul_(cos).add_(swapped)
    return x


class Attention:
    """Grouped-query attention over the cache. Qwen3.5's query projection also gives a gate for the output.

    Args:
        module: transformers' attention. place: its layer's among those with attention. packed: see ``linear``.
    """

    def __init__(self, module: Any, place: int, packed: bool) -> None:
        self._place = place
        self._width: int = module.head_dim
        self._kv_heads = module.k_proj.weight.shape[0] // self._width
        self._heads = module.o_proj.weight.shape[1] // self._width
        self._gated = module.q_proj.weight.shape[0] == 2 * self._heads * self._width
        self._scaling: float = module.scaling
        self._norms = HeadNorms(module.q_norm, module.k_norm, self._heads, self._kv_heads)
        self._in = Product.joined((module.q_proj, module.k_proj, module.v_proj), packed)
        self._out = Product.of(module.o_proj, packed)

    def __call__(self, x: Tensor, cache: RowCache, plan: Plan) -> Tensor:
        """Normed tokens [M, H] -> [M, H]; tokens behind the last part only fill the matrix."""
        D, heads, kv_heads = self._width, self._heads, self._kv_heads
        mixed = self._in(x)
        gate: Tensor | None = None
        if self._gated:
            queries, gate = mixed[:, : 2 * heads * D].view(-1, heads, 2 * D).chunk(2, dim=-1)
            both = torch.cat((queries, mixed[:, 2 * heads * D : -kv_heads * D].view(-1, kv_heads, D)), dim=1)
        else:
            both = mixed[:, : (heads + kv_heads) * D].view(-1, heads + kv_heads, D)
        both = rotate(self._norms(both), plan.angles)
        real = plan.slots.shape[0]
        values = mixed[:real, -kv_heads * D :].view(-1, kv_heads, D)
        cache.keys.write(self._place, plan.slots, both[:real, heads:], values)
        out = [self._attended(both[part.span, :heads], cache, part) for part in plan.parts]
        if x.shape[0] > real:
            out.append(x.new_zeros(x.shape[0] - real, heads * D))
        joined = out[0] if len(out) == 1 else torch.cat(out)
        if gate is not None:
            joined = joined * torch.sigmoid(gate.reshape(-1, heads * D))
        return self._out(joined)

    def _attended(self, queries: Tensor, cache: RowCache, part: Part) -> Tensor:
        """[R * n, heads, D] -> [R * n, heads * D]."""
        keys, values = cache.keys.view(self._place, part.first, part.rows, part.keys)
        q = queries.unflatten(0, (part.rows, part.tokens)).transpose(1, 2)
        return attend(q, keys, values, part.mask, self._scaling).transpose(1, 2).reshape(len(queries), -1)


class DeltaNet:
    """Transformers' gated delta net, part by part."""

    def __init__(self, module: Any, number: int) -> None:
        self._module, self._number = module, number
        self._cache_argument = cache_argument(module)

    def __call__(self, x: Tensor, cache: RowCache, plan: Plan) -> Tensor:
        """As :class:`Attention`, but models with such layers fill no matrices up (see ``rows``)."""
        states = cache.recurrent[self._number]
        out: list[Tensor] = []
        for part in plan.parts:
            states.lend(part.first, part.rows, part.has_past)
            given = x[part.span].view(part.rows, part.tokens, -1)
            out.append(self._module(hidden_states=given, **{self._cache_argument: cache.states}).flatten(0, 1))
            states.collect(part.first)
        return out[0] if len(out) == 1 else torch.cat(out)


class Swiglu:
    """A dense MLP."""

    def __init__(self, module: Any, packed: bool) -> None:
        self._act: Callable[[Tensor], Tensor] = module.act_fn
        self._in = Product.joined((module.gate_proj, module.up_proj), packed)
        self._down = Product.of(module.down_proj, packed)

    def __call__(self, x: Tensor) -> Tensor:
        """[M, H] -> [M, H]."""
        gate, up = self._in(x).chunk(2, dim=-1)
        return self._down(self._act(gate).mul_(up))


class Experts:
    """A mixture of experts, run by transformers."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __call__(self, x: Tensor) -> Tensor:
        """[M, H] -> [M, H]."""
        return self._module(x[None])[0]


class Layer:
    """One decoder layer.

    Args:
        module: transformers' layer. number: its place among all. place: among those with attention. packed: see
            ``linear``.
    """

    def __init__(self, module: Any, number: int, place: int, packed: bool) -> None:
        self.recurrent = hasattr(module, "linear_attn")
        self._before, self._between = Norm(module.input_layernorm), Norm(module.post_attention_layernorm)
        self._mix: Attention | DeltaNet = (
            DeltaNet(module.linear_attn, number) if self.recurrent else Attention(module.self_attn, place, packed)
        )
        dense = hasattr(module.mlp, "gate_proj")
        self._mlp: Swiglu | Experts = Swiglu(module.mlp, packed) if dense else Experts(module.mlp)

    def mix(self, x: Tensor, cache: RowCache, plan: Plan) -> Tensor:
        """The first half: every token sees those before it. [M, H] -> [M, H]."""
        return x + self._mix(self._before(x), cache, plan)

    def feed(self, x: Tensor) -> Tensor:
        """The second half, token by token: [M, H] -> [M, H]."""
        return x + self._mlp(self._between(x))
