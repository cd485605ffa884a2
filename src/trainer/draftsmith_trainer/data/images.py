"""Turns a row's image and frame hashes into the pixel values that the target's vision tower takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..base.errors import UserError
from .pictures.decode import Pixels, read_picture
from .shards import ImageShards, Row

#: (time, height, width) in patches; time is 1 for a picture.
Grid = tuple[int, int, int]


class PixelSource(Protocol):
    """A provider of pixel values: a :class:`PixelReader`, or one that prefetches."""

    def expect(self, names: Iterable[str]) -> None:
        """Announces pictures, by hash, that will be requested soon in this order.

        Each announcement must be followed by one use of the picture or by :meth:`forget`; its memory is held until
        then.
        """

    def forget(self, names: Iterable[str]) -> None:
        """Withdraws announcements."""

    def values(self, names: Sequence[str], grids: Sequence[Grid], dtype: torch.dtype = torch.float32) -> Tensor:
        """Concatenated pixel_values of pictures by hash: [patches, C*2*patch^2].

        Args:
            grids: the grids that the rows were tokenized with.
            dtype: fp32, or the target's compute dtype; bit-identical to casting afterwards.

        Raises:
            UserError: ``image-missing``, ``image-damaged``, ``image-grid``; ``picture-worker`` when a worker died.
        """

    def pixels(self, row: Row) -> tuple[Tensor | None, Tensor | None]:
        """(pixel_values fp32, image_grid int64 [images, 3]) of a row; (None, None) without images."""

    def videos(self, row: Row) -> tuple[Tensor | None, Tensor | None]:
        """(pixel_values_videos fp32, video_grid int64 [videos, 3]) of a row; (None, None) without videos."""


class PixelReader:
    """Decodes PNGs on demand and runs the checkpoint's own image and video processors on them.

    Args:
        target: the model directory (preprocessor_config.json, video_preprocessor_config.json or processor_config.json).
        images: the shards that hold the PNG bytes.
    """

    def __init__(self, target: Path, images: ImageShards) -> None:
        self.target, self.images = target, images
        self._processor: Any = None
        self._video_processor: Any = None

    @property
    def processor(self) -> Any:
        """The checkpoint's image processor.

        Raises:
            UserError: ``target-processor``.
        """
        if self._processor is None:
            self._processor = load_image_processor(self.target)
        return self._processor

    @property
    def video_processor(self) -> Any:
        """The checkpoint's video processor.

        Raises:
            UserError: ``target-processor``.
        """
        if self._video_processor is None:
            from transformers import AutoVideoProcessor

            self._video_processor = _loaded(self.target, "video", AutoVideoProcessor)
        return self._video_processor

    def expect(self, names: Iterable[str]) -> None:
        """Does nothing: this reader does not prefetch."""

    def forget(self, names: Iterable[str]) -> None:
        """Does nothing."""

    def values(self, names: Sequence[str], grids: Sequence[Grid], dtype: torch.dtype = torch.float32) -> Tensor:
        """See :meth:`PixelSource.values`."""
        made = [self.processed_picture(self._decode(name)) for name in names]
        check_grids(names, [grid for _, grid in made], grids)
        return torch.cat([values for values, _ in made]).to(dtype)

    def pixels(self, row: Row) -> tuple[Tensor | None, Tensor | None]:
        """(pixel_values fp32 [patches, C*2*patch^2], image_grid int64 [images, 3]); (None, None) without images.

        Raises:
            UserError: ``image-missing``; ``image-damaged``; ``image-grid`` when the processor's grid differs from the
                row's: the row's image tokens would then represent other patches than on the server.
        """
        if not row.image_hashes:
            return None, None
        made = self._processed([self._decode(name) for name in row.image_hashes])
        return made["pixel_values"].float(), checked_grid(row, "image", made["image_grid_thw"])

    def videos(self, row: Row) -> tuple[Tensor | None, Tensor | None]:
        """(pixel_values_videos fp32 [patches, C*2*patch^2], video_grid int64 [videos, 3]); (None, None) without videos.

        All of the row's frames are used, without sampling; the processor repeats the last of an odd number.

        Raises:
            UserError: as :meth:`pixels`; ``video-grid``.
        """
        if not row.video_frames:
            return None, None
        return self.processed_videos(row, [[self._decode(name) for name in frames] for frames in row.video_frames])

    def processed_picture(self, pixels: Pixels) -> tuple[Tensor, Grid]:
        """pixel_values fp32 [patches, C*2*patch^2] and grid of one decoded picture; the same values as in a batch."""
        made = self._processed([pixels])
        time, height, width = made["image_grid_thw"][0].tolist()
        return made["pixel_values"].float(), (time, height, width)

    def processed_videos(self, row: Row, videos: Sequence[Sequence[Pixels]]) -> tuple[Tensor, Tensor]:
        """As :meth:`videos`, from already decoded frames."""
        frames = [[Image.fromarray(pixels) for pixels in video] for video in videos]
        made = self.video_processor(videos=frames, do_sample_frames=False, return_tensors="pt")
        return made["pixel_values_videos"].float(), checked_grid(row, "video", made["video_grid_thw"])

    def _processed(self, pictures: Sequence[Pixels]) -> Any:
        return self.processor(images=[Image.fromarray(pixels) for pixels in pictures], return_tensors="pt")

    def _decode(self, image_hash: str) -> Pixels:
        return read_picture(self.images, image_hash)


def load_image_processor(target: Path) -> Any:
    """The image processor of a model directory.

    Raises:
        UserError: ``target-processor``.
    """
    from transformers import AutoImageProcessor

    return _loaded(target, "image", AutoImageProcessor)


def check_grids(names: Sequence[str], made: Sequence[Grid], wanted: Sequence[Grid]) -> None:
    """Compares the processor's grids with those that the rows were tokenized with.

    Raises:
        UserError: ``image-grid``.
    """
    for name, found, grid in zip(names, made, wanted, strict=True):
        if found != tuple(grid):
            raise UserError(
                "image-grid",
                f"image {name}: the image processor produces grid {list(found)}, its row has {list(grid)}",
                "tokenize the data again with this target's processor settings",
            )


def checked_grid(row: Row, what: str, made: Tensor) -> Tensor:
    """The grid of the row's images or videos (``what``), int64 [n, 3]; it must equal ``made``, the processor's grid.

    Raises:
        UserError: ``image-grid``, ``video-grid``.
    """
    wanted = row.image_grid if what == "image" else row.video_grid
    grid, tokenized = made.to(torch.int64), torch.from_numpy(wanted.astype(np.int64))
    if torch.equal(grid, tokenized):
        return grid
    raise UserError(
        f"{what}-grid",
        f"row {row.dialogue_id}/{row.row}: the {what} processor produces grid {grid.tolist()}, "
        f"the row has {tokenized.tolist()}",
        "tokenize the data again with this target's processor settings",
    )


def _loaded(target: Path, what: str, kind: Any) -> Any:
    try:
        return kind.from_pretrained(target)
    except (OSError, ValueError) as error:
        raise UserError("target-processor", f"{target}: no usable {what} processor: {error}") from error
