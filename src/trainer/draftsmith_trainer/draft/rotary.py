"""Rotary position embedding in a draft's three modes: plain, partial and mrope (interleaved)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import DraftConfig


class Rotary(nn.Module):
    """Turns positions into cosines and sines.

    Holds no weights: the frequencies are a non-persistent buffer, so that a checkpoint contains only what engines load.
    """

    inv_freq: Tensor
    axis: Tensor

    def __init__(self, config: DraftConfig) -> None:
        super().__init__()
        half = config.rotary_dim // 2
        exponent = torch.arange(half, dtype=torch.float64) / half
        self.mrope = config.rotary == "mrope"
        self.register_buffer("inv_freq", (config.rope_theta**-exponent).float(), persistent=False)
        self.register_buffer("axis", _axis_of_channel(half, config.mrope_section if self.mrope else None), False)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines, fp32, each [R, S, rotary_dim].

        Args:
            positions: int64 [R, S]; in mrope mode [3, R, S] (time, height, width), or [R, S] where all three agree.
        """
        if positions.dim() == 3:
            # One row of positions per channel: each channel rotates with the axis of its section.
            angles = positions.float()[self.axis].permute(1, 2, 0) * self.inv_freq
        else:
            angles = positions.float()[..., None] * self.inv_freq
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()


def apply_rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates the first ``rotary_dim`` channels of every head, leaving the others as they are.

    Args:
        x: [R, heads, S, D].
        cos, sin: [R, S, rotary_dim], broadcast over heads; the two halves of the width form the rotated pairs
            (NeoX style, as Qwen3 does).
    """
    width = cos.shape[-1]
    turned, rest = x[..., :width], x[..., width:]
    first, second = turned.chunk(2, dim=-1)
    cos, sin = cos[:, None].to(x.dtype), sin[:, None].to(x.dtype)
    turned = turned * cos + torch.cat((-second, first), dim=-1) * sin
    return torch.cat((turned, rest), dim=-1) if rest.shape[-1] else turned


def _axis_of_channel(half: int, section: tuple[int, ...] | None) -> Tensor:
    """Which axis (0 time, 1 height, 2 width) each of ``half`` frequencies follows, int64 [half].

    Qwen's interleaved layout: channels go t, h, w, t, h, w, ...; once an axis has used up its section, time takes its
    channels. Source: Qwen3-VL technical description and its configs (mrope_interleaved).
    """
    axis = torch.zeros(half, dtype=torch.int64)
    if section:
        for a in (1, 2):
            axis[a : 3 * section[a] : 3] = a
    return axis
