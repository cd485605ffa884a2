"""The vision tower over all pictures of a pack in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ..data.images import Grid
from ..kernels.products import linear
from .layout import Layout, active
from .tower_blocks import run_blocks
from .tower_inputs import TowerInputs


@dataclass(frozen=True)
class Features:
    """The picture features that the text model consumes.

    Attributes:
        merged: [V, H], one row per placeholder. deep: the same for each of the first text layers (deepstack).
    """

    merged: Tensor
    deep: list[Tensor]


class Tower:
    """Runs a transformers vision tower over pixel values that are on its device."""

    def __init__(self, tower: Any) -> None:
        self._tower = tower
        inputs = TowerInputs.of(tower)
        assert inputs is not None, "see packs_pictures"
        self._inputs = inputs
        self._deep_at = list(getattr(tower, "deepstack_visual_indexes", None) or [])

    def __call__(self, pixels: Tensor, grids: Sequence[Grid]) -> Features:
        """Features of pictures.

        Args:
            pixels: [patches, channels * 2 * patch^2], any float type. grids: of the pictures, on the host.
        """
        tower = self._tower
        made = self._inputs.for_grids(grids, pixels.device)
        lengths = [height * width for frames, height, width in grids for _ in range(frames)]
        layout = replace(Layout.of(lengths), bounds=made["cu_seqlens"])
        x, cos, sin = self._embedded(pixels, made["position_ids"], made["interp_indices"], made["interp_weights"])
        deep: dict[int, Tensor] = {}
        with active(pictures=layout):
            for number, out in enumerate(run_blocks(tower, x, cos, sin, layout)):
                if number in self._deep_at:
                    place = self._deep_at.index(number)
                    deep[place] = tower.deepstack_merger_list[place](out)
        return Features(tower.merger(out), [deep[place] for place in range(len(self._deep_at))])

    def _embedded(self, pixels: Tensor, positions: Tensor, taps: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        tower = self._tower
        kernel = tower.patch_embed.proj
        # A convolution whose stride equals its kernel is a matmul; cuDNN's 3-D convolution takes 28 times as long.
        x = linear(pixels.to(kernel.weight.dtype), kernel.weight.flatten(1), kernel.bias)
        grid = (tower.pos_embed(taps) * weights[:, :, None]).sum(1)
        x = x + grid.to(x.dtype)
        cos, sin = tower.rotary_pos_emb(x, positions)
        return x, cos, sin


def packs_pictures(tower: Any) -> bool:
    """Whether towers of this transformers version accept precomputed grid inputs (5.17 and later do)."""
    return TowerInputs.of(tower) is not None
