"""The inputs that a vision tower derives from its grids, computed once per grid on the host, not in every forward."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..data.images import Grid

#: Number of grids to cache; the values for a 1920x1088 picture take 0.5 MB.
_KEPT = 64


class TowerInputs:
    """Keyword arguments that let transformers' vision towers run without reading any tensor back from the device.

    ``visual(pixel_values, None, **inputs.for_grids(grids, device))`` equals ``visual(pixel_values, grid_thw)`` bit for
    bit. The values come from the functions that the tower calls itself (``transformers.vision_utils``).
    """

    def __init__(self, utils: Any, side: int, merge: int, mode: str, align_corners: bool) -> None:
        self._utils, self._side, self._merge = utils, side, merge
        self._mode, self._align_corners = mode, align_corners
        self._kept: OrderedDict[tuple[Grid, torch.device], dict[str, Tensor]] = OrderedDict()

    @classmethod
    def of(cls, visual: Any) -> TowerInputs | None:
        """For a Qwen3-VL or Qwen3.5 tower; None if this transformers version has no such arguments."""
        try:
            from transformers import vision_utils

            vision_utils.get_vision_interpolation_indices_and_weights, vision_utils.get_vision_position_ids  # noqa: B018
            return cls(
                vision_utils,
                int(visual.num_grid_per_side),
                int(visual.spatial_merge_size),
                str(visual.interpolation_mode),
                bool(visual.interpolation_align_corners),
            )
        except (ImportError, AttributeError):
            return None

    def for_grids(self, grids: Sequence[Grid], device: torch.device | str = "cpu") -> dict[str, Any]:
        """The arguments for pictures or videos with these grids, in this order, N patches in all.

        Returns:
            ``position_ids`` int64 [N, 2]; ``interp_indices`` int64 and ``interp_weights`` fp32 [N, 4];
            ``cu_seqlens`` int32 [frames + 1]; ``max_seqlen``, a Python int. Tensors are on ``device``; transfers to it
            are asynchronous.
        """
        device = torch.device(device)
        parts = [self._of_grid((int(t), int(h), int(w)), device) for t, h, w in grids]
        # Attention does not cross frames: each is a separate sequence.
        lengths = [h * w for t, h, w in grids for _ in range(t)]
        ends = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
        joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        return {**joined, "cu_seqlens": _sent(ends, device), "max_seqlen": max(lengths)}

    def _of_grid(self, grid: Grid, device: torch.device) -> dict[str, Tensor]:
        key = (grid, device)
        known = self._kept.get(key)
        if known is None:
            known = {name: _sent(part, device) for name, part in self._computed(grid).items()}
            self._kept[key] = known
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return known

    def _computed(self, grid: Grid) -> dict[str, Tensor]:
        shape = torch.tensor([grid])
        indices, weights = self._utils.get_vision_interpolation_indices_and_weights(
            shape,
            num_grid_per_side=self._side,
            mode=self._mode,
            align_corners=self._align_corners,
            spatial_merge_size=self._merge,
        )
        positions = self._utils.get_vision_position_ids(shape, self._merge)
        return {"position_ids": positions, "interp_indices": indices, "interp_weights": weights}


def _sent(values: Tensor, device: torch.device) -> Tensor:
    return values if device.type == "cpu" else values.pin_memory().to(device, non_blocking=True)
