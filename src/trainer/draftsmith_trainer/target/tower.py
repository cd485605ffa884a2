"""The vision tower over all pictures of a pack in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .layout import Layout, active


@dataclass(frozen=True)
class Features:
    """What the text model takes of pictures.

    Attributes:
        merged: [V, H], one row per placeholder. deep: the same for each of the first text layers (deepstack).
    """

    merged: Tensor
    deep: list[Tensor]


@dataclass(frozen=True)
class TowerInputs:
    """What follows from grids alone, made on the host.

    Attributes:
        layout: frames (of images: one each) in patches. positions: int64 [patches, 2], row and column.
        taps: int64 [patches, 4], cells of the position table; weights: fp32 [patches, 4].
    """

    layout: Layout
    positions: Tensor
    taps: Tensor
    weights: Tensor

    @staticmethod
    def of(grids: Tensor, tower: Any) -> TowerInputs:
        """From int64 [pictures, 3] on the CPU, by transformers' own rules."""
        from transformers.vision_utils import get_vision_interpolation_indices_and_weights, get_vision_position_ids

        taps, weights = get_vision_interpolation_indices_and_weights(
            grids,
            num_grid_per_side=tower.num_grid_per_side,
            mode=tower.interpolation_mode,
            align_corners=tower.interpolation_align_corners,
            spatial_merge_size=tower.spatial_merge_size,
        )
        lengths = [height * width for frames, height, width in grids.tolist() for _ in range(frames)]
        return TowerInputs(Layout.of(lengths), get_vision_position_ids(grids, tower.spatial_merge_size), taps, weights)

    def to(self, device: torch.device) -> TowerInputs:
        """The same on a device; does not wait for the copies."""
        moved = (x.to(device, non_blocking=True) for x in (self.positions, self.taps, self.weights))
        return TowerInputs(self.layout.to(device), *moved)


class Tower:
    """Runs a transformers vision tower block by block.

    Args:
        compile_: whether blocks are compiled: one graph for all of them and for any number of patches.
    """

    def __init__(self, tower: Any, compile_: bool) -> None:
        self._tower = tower
        wrap: Callable[[Any], Any] = _compiled if compile_ else lambda function: function
        self._blocks = [wrap(block.forward) for block in tower.blocks]
        self._enter = wrap(self._embedded)
        self._mergers = [wrap(merger.forward) for merger in (tower.merger, *_deep_mergers(tower))]
        self._deep_at = list(getattr(tower, "deepstack_visual_indexes", None) or [])

    def __call__(self, pixels: Tensor, inputs: TowerInputs) -> Features:
        """Features of the pictures that ``inputs`` describes.

        Args:
            pixels: [patches, channels * 2 * patch^2], any float type.
        """
        x, cos, sin = self._enter(pixels, inputs.positions, inputs.taps, inputs.weights)
        merge, *deep_mergers = self._mergers
        deep: dict[int, Tensor] = {}
        with active(pictures=inputs.layout):
            for number, block in enumerate(self._blocks):
                x = block(x, cu_seqlens=inputs.layout.bounds, max_seqlen=1, position_embeddings=(cos, sin))
                if number in self._deep_at:
                    place = self._deep_at.index(number)
                    deep[place] = deep_mergers[place](x)
        return Features(merge(x), [deep[place] for place in range(len(self._deep_at))])

    def _embedded(self, pixels: Tensor, positions: Tensor, taps: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        tower = self._tower
        kernel = tower.patch_embed.proj
        # A convolution whose stride is its kernel is a product; cuDNN takes 28 times as long for the 3-D form.
        x = F.linear(pixels.to(kernel.weight.dtype), kernel.weight.flatten(1), kernel.bias)
        grid = (tower.pos_embed(taps) * weights[:, :, None]).sum(1)
        x = x + grid.to(x.dtype)
        cos, sin = tower.rotary_pos_emb(x, positions)
        return x, cos, sin


def _deep_mergers(tower: Any) -> list[Any]:
    return list(getattr(tower, "deepstack_merger_list", None) or [])


def _compiled(function: Any) -> Any:
    return torch.compile(function, dynamic=True)
