"""Runs a target over one row and captures the outputs of the layers that a draft reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .hooks import captured_layers
from .load import Target
from .placeholders import check_counts


@dataclass(frozen=True)
class CapturedRow:
    """What a draft reads of one row.

    Attributes:
        states: [S, K*H], concatenated outputs of ``layer_ids``, in the target's dtype; [S, (K+1)*H] with
            :attr:`.Target.final`.
        positions: int64 [3, S], the target's own positions (time, height, width).
    """

    states: Tensor
    positions: Tensor


@torch.no_grad()
def capture_row(
    target: Target,
    input_ids: Tensor,
    token_types: Tensor,
    pixel_values: Tensor | None,
    image_grid: Tensor | None,
    video_values: Tensor | None = None,
    video_grid: Tensor | None = None,
) -> CapturedRow:
    """Captures a single row, without padding, so the result depends on nothing but the row.

    The states are raw layer outputs: HF's ``hidden_states[k + 1]``, except for the last layer, see
    :func:`.hooks.captured_layers`.

    Args:
        input_ids: int64 [S], image pads expanded.
        token_types: int [S], 0 text, 1 image, 2 video.
        pixel_values: [patches, channels * 2 * patch^2] of all images in order, or None.
        image_grid: int64 [images, 3], or None.
        video_values: the same as ``pixel_values``, of all videos in order, or None.
        video_grid: int64 [videos, 3], or None.

    Raises:
        UserError: ``image-tokens``, ``video-tokens`` when the placeholders do not match the images or videos.
    """
    types = token_types[None].to(target.device, torch.int64)
    ids = input_ids[None].to(target.device)
    _check_placeholders(target, ids, types, "image", image_grid)
    _check_placeholders(target, ids, types, "video", video_grid)
    inputs: dict[str, Any] = {"input_ids": ids, "mm_token_type_ids": types}
    if pixel_values is not None and image_grid is not None:
        inputs |= {"pixel_values": pixel_values.to(target.device), "image_grid_thw": image_grid.to(target.device)}
    if video_values is not None and video_grid is not None:
        inputs |= {
            "pixel_values_videos": video_values.to(target.device),
            "video_grid_thw": video_grid.to(target.device),
        }
    # Positions are always passed explicitly; otherwise the model reuses the position deltas of the previous row.
    positions, _ = target.model.model.get_rope_index(
        ids, types, image_grid_thw=inputs.get("image_grid_thw"), video_grid_thw=inputs.get("video_grid_thw")
    )
    # FSDP needs its hooks after the last layer to run, and a sharded target ends there anyway.
    stop, final = not (target.sharded or target.final), []
    with captured_layers(target.model.model.language_model.layers, target.layer_ids, stop=stop) as states:
        made = target.model.model(**inputs, position_ids=positions, use_cache=False)
        final = [made.last_hidden_state[0]] if target.final else []
    joined = torch.cat([*(states[k][0] for k in target.layer_ids), *final], dim=-1)
    return CapturedRow(joined, positions[:, 0])


def _check_placeholders(target: Target, ids: Tensor, types: Tensor, what: str, grid: Tensor | None) -> None:
    spec = target.spec
    token, kind = (spec.image_token_id, 1) if what == "image" else (spec.video_token_id, 2)
    wanted = 0 if grid is None else int(grid.prod(dim=1).sum()) // spec.spatial_merge_size**2
    found = int((ids == token).sum()), int((types == kind).sum())
    check_counts("a training row", what, found, wanted)
