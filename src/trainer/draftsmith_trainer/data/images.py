"""From a row's image hashes to the pixel values that the target's vision tower takes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import UserError
from .shards import ImageShards, Row


class PixelReader:
    """Decodes PNGs and runs the checkpoint's own image processor on them.

    Args:
        target: the model directory (preprocessor_config.json).
        images: where the bytes are.
    """

    def __init__(self, target: Path, images: ImageShards) -> None:
        self._target, self._images = target, images
        self._processor: Any = None

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
        grid = made["image_grid_thw"].to(torch.int64)
        wanted = torch.from_numpy(row.image_grid.astype(np.int64))
        if not torch.equal(grid, wanted):
            name = f"{row.dialogue_id}/{row.row}"
            raise UserError(
                "image-grid",
                f"row {name}: the processor makes grid {grid.tolist()}, the row has {wanted.tolist()}",
                "tokenize the data again with this target's preprocessor_config.json",
            )
        return made["pixel_values"].float(), grid

    def _decode(self, image_hash: str) -> Image.Image:
        try:
            return Image.open(io.BytesIO(self._images.png(image_hash))).convert("RGB")
        except (OSError, SyntaxError) as error:
            raise UserError("image-damaged", f"image {image_hash} cannot be decoded: {error}") from error

    def _load(self) -> Any:
        if self._processor is None:
            from transformers import AutoImageProcessor

            try:
                self._processor = AutoImageProcessor.from_pretrained(self._target)
            except (OSError, ValueError) as error:
                raise UserError("target-processor", f"{self._target}: no usable image processor: {error}") from error
        return self._processor
