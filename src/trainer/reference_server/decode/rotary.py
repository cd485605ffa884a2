"""Cosines and sines of positions, in the form that ``layers.rotate`` takes; those of text are looked up."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .layers import Angles


class Rotary:
    """The text model's own rotary embedding, asked once per position.

    Args:
        module: transformers' rotary embedding.
        like: any tensor of the model's type and device.
    """

    def __init__(self, module: Any, like: Tensor) -> None:
        self._module, self._like = module, like
        # Other kinds may rescale their frequencies by the longest position seen.
        self._fixed: bool = module.rope_type == "default"
        self._table: Angles | None = None

    def of(self, positions: Tensor) -> Angles:
        """For 3-D positions, int64 [3, M]."""
        cos, sin = self._module(self._like, positions[:, None])
        half = cos.shape[-1] // 2
        # The sign of a half turn, so that rotating needs no negation.
        return cos[0, :, None], torch.cat((-sin[0, :, None, :half], sin[0, :, None, half:]), dim=-1)

    def of_text(self, positions: Tensor, highest: int) -> Angles:
        """For text, whose three positions are equal: int64 [M]; ``highest`` bounds them."""
        if not self._fixed:
            return self.of(positions.expand(3, -1))
        if self._table is None or highest >= len(self._table[0]):
            size = max(1024, 2 * (highest + 1))
            self._table = self.of(torch.arange(size, device=positions.device).expand(3, -1))
        cos, sin = self._table
        return cos.index_select(0, positions), sin.index_select(0, positions)
