"""From a row's hashes of images and frames to the pixel values that the target's vision tower takes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..base.errors import UserError
from .shards import ImageShards, Ints, Row


class PixelReader:
    """Decodes PNGs and runs the checkpoint's own image and video processors on them.

    Args:
        target: the model directory (preprocessor_config.json, video_preprocessor_config.json or processor_config.json).
        images: where the bytes are.
    """

    def __init__(self, target: Path, images: ImageShards) -> None:
        self._target, self._images = target, images
        self._processor: Any = None
        self._video_processor: Any = None

    def pixels(self, row: Row) -> tuple[Tensor | None, Tensor | None]:
        """(pixel_values fp32 [patches, C*2*patch^2], image_grid int64 [images, 3]); (None, None) without images.

        Raises:
            UserError: ``image-missing``; ``image-damaged``; ``image-grid`` when the processor's grid is not the row's:
                then the row's image tokens would stand for other patches than the server's did.
        """
        if not row.image_hashes:
            return None, None
        pictures = [self._decode(name) for name in row.image_hashes]
        made = self._load()(images=pictures, return_tensors="pt")
        grid = _checked_grid(row, "image", made["image_grid_thw"], row.image_grid)
        return made["pixel_values"].float(), grid

    def videos(self, row: Row) -> tuple[Tensor | None, Tensor | None]:
        """(pixel_values_videos fp32 [patches, C*2*patch^2], video_grid int64 [videos, 3]); (None, None) without videos.

        The frames are those of the row, none is sampled away; of an odd number the processor repeats the last.

        Raises:
            UserError: as :meth:`pixels`; ``video-grid``.
        """
        if not row.video_frames:
            return None, None
        videos = [[self._decode(name) for name in frames] for frames in row.video_frames]
        made = self._load_video()(videos=videos, do_sample_frames=False, return_tensors="pt")
        grid = _checked_grid(row, "video", made["video_grid_thw"], row.video_grid)
        return made["pixel_values_videos"].float(), grid

    def _decode(self, image_hash: str) -> Image.Image:
        try:
            return Image.open(io.BytesIO(self._images.png(image_hash))).convert("RGB")
        except (OSError, SyntaxError) as error:
            raise UserError("image-damaged", f"image {image_hash} cannot be decoded: {error}") from error

    def _load(self) -> Any:
        if self._processor is None:
            from transformers import AutoImageProcessor

            self._processor = self._loaded("image", AutoImageProcessor)
        return self._processor

    def _load_video(self) -> Any:
        if self._video_processor is None:
            from transformers import AutoVideoProcessor

            self._video_processor = self._loaded("video", AutoVideoProcessor)
        return self._video_processor

    def _loaded(self, what: str, kind: Any) -> Any:
        try:
            return kind.from_pretrained(self._target)
        except (OSError, ValueError) as error:
            raise UserError("target-processor", f"{self._target}: no usable {what} processor: {error}") from error


def _checked_grid(row: Row, what: str, made: Tensor, wanted: Ints) -> Tensor:
    grid, tokenized = made.to(torch.int64), torch.from_numpy(wanted.astype(np.int64))
    if torch.equal(grid, tokenized):
        return grid
    raise UserError(
        f"{what}-grid",
        f"row {row.dialogue_id}/{row.row}: the {what} processor makes grid {grid.tolist()}, "
        f"the row has {tokenized.tolist()}",
        "tokenize the data again with this target's processor settings",
    )
