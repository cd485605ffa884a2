"""Captures the states of a whole pack in one pass through the target's own modules."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from ..base.compiling import worth_compiling
from . import experts, recurrent
from .attention import segmented
from .layout import Layout, active
from .load import Target
from .pack import Pack
from .text_layers import TextLayer, fits
from .tower import Features, Tower

#: Tokens in a pass without rows. Not 1, since a compiled layer would build a separate graph for it.
_IDLE_TOKENS = 2


class Step(Protocol):
    """Runs one decoder layer on the residual stream, which comes and goes in two parts whose sum it is."""

    def __call__(
        self, x: Tensor, delta: Tensor | None, cos: Tensor, sin: Tensor, layout: Layout
    ) -> tuple[Tensor, Tensor | None]:
        """x, delta [T, H]; cos, sin [T, D]. May overwrite x."""
        ...


class PackedTarget:
    """Runs packs through the vision tower and the target's layers up to the last captured one.

    The layers are transformers' modules, called in the order of its own forward pass. Unlike there, documents are
    segments of one sequence and captured outputs are written straight into one buffer. On CUDA, Qwen3-VL's layers run
    as :mod:`.text_layers` computes them; others are compiled (one graph per kind of layer, for any length), and
    :mod:`.experts` runs their experts.

    Args:
        compile_: whether to compile layers; None: only wide layers on CUDA.
    """

    def __init__(self, target: Target, compile_: bool | None = None) -> None:
        self._target = target
        on_gpu = target.device.type == "cuda"
        if compile_ is None:
            compile_ = worth_compiling(target.device.type, target.embed.shape[1])
        model = target.model
        if on_gpu and target.embed.dtype == torch.bfloat16:
            experts.install(model)
        recurrent.install(model)
        self._text = model.model.language_model
        self._tower = Tower(model.model.visual)
        layers = self._text.layers if target.final else self._text.layers[: max(target.layer_ids) + 1]
        fused = on_gpu and target.embed.dtype == torch.bfloat16 and not target.sharded
        self._layers: list[Step] = [
            TextLayer(layer) if fused and fits(layer) else _Plain(_entry(layer, compile_, target.sharded))
            for layer in layers
        ]

    @torch.no_grad()
    def capture(self, pack: Pack, pixels: Tensor | None, room: int = 0) -> Tensor:
        """States as in :class:`.CapturedRow`, [T + room, width]; the last ``room`` rows are zero.

        Args:
            pack: on the target's device.
            pixels: the images of ``pack.grids``, [patches, channels * 2 * patch^2], on the target's device; None
                without images.
            room: number of zero rows to append.
        """
        target, text = self._target, self._text
        width = target.embed.shape[1]
        states = target.embed.new_empty(pack.tokens + room, target.width)
        states[pack.tokens :] = 0
        taken = {layer: place * width for place, layer in enumerate(target.layer_ids)}
        with segmented(target.model), active(text=pack.layout):
            x = text.embed_tokens(pack.input_ids)
            deep: list[Tensor] = []
            if pixels is not None:
                found = self.pictures(pixels, pack)
                x.index_copy_(0, pack.visual_at, found.merged.to(x.dtype))
                deep = found.deep
            cos, sin = (angle[0] for angle in text.rotary_emb(x[None], pack.positions[:, None]))
            delta: Tensor | None = None
            for number, layer in enumerate(self._layers):
                x, delta = layer(x, delta, cos, sin, pack.layout)
                if number in taken:
                    place = states[: pack.tokens, taken[number] : taken[number] + width]
                    place.copy_(x) if delta is None else torch.add(x, delta, out=place)
                if number < len(deep):
                    x, delta = x if delta is None else x + delta, None
                    x.index_add_(0, pack.visual_at, deep[number].to(x.dtype))
            if target.final:
                x = x if delta is None else x + delta
                states[: pack.tokens, -width:] = text.norm(x[None])[0]
        return states

    def idle(self) -> None:
        """Joins a pass of the other ranks of a sharded target without rows of its own."""
        text, layout = self._text, Layout.of([_IDLE_TOKENS]).to(self._target.device)
        with torch.no_grad(), segmented(self._target.model), active(text=layout):
            x = self._target.embed.new_zeros(_IDLE_TOKENS, self._target.embed.shape[1])
            cos, sin = (angle[0] for angle in text.rotary_emb(x[None], layout.wide.new_zeros(3, 1, _IDLE_TOKENS)))
            delta: Tensor | None = None
            for layer in self._layers:
                x, delta = layer(x, delta, cos, sin, layout)

    @torch.no_grad()
    def pictures(self, pixels: Tensor, pack: Pack) -> Features:
        """The image features that the text model reads, in the order of their placeholders."""
        made = self._tower(pixels, pack.grids)
        return Features(made.merged[pack.visual_from], [one[pack.visual_from] for one in made.deep])


class _Plain:
    """A layer as transformers computes it."""

    def __init__(self, entry: Any) -> None:
        self._entry = entry

    def __call__(
        self, x: Tensor, delta: Tensor | None, cos: Tensor, sin: Tensor, layout: Layout
    ) -> tuple[Tensor, None]:
        """See :class:`Step`."""
        del layout  # attention takes the current one
        x = x if delta is None else x + delta
        out: Tensor = self._entry(x[None], position_embeddings=(cos[None], sin[None]), attention_mask=None)
        return out[0], None


def _entry(layer: Any, compile_: bool, sharded: bool) -> Any:
    """The callable that runs a layer. If sharded, the module itself, whose hooks gather and release the weights."""
    forward = torch.compile(layer.forward, dynamic=True) if compile_ else layer.forward
    if not sharded:
        return forward
    if compile_:
        layer.forward = forward
    return layer
