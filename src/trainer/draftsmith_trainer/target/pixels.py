"""Computes pixel values on the target's device: the image processor's arithmetic as a few tensor operations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.images import Grid, load_image_processor

#: Maximum applications of the resize rule when looking for a size that it leaves unchanged.
_ROUNDS = 8


class PixelPrep:
    """Rescales, normalises and patchifies as the checkpoint's image processor does, for sizes that it keeps.

    The settings come from the loaded processor, which is also the reference: at startup both process a picture that
    holds every byte value in every channel, and unless the results are bit-identical, :meth:`fits` is False for every
    size. CUDA rounds fp32 subtraction and division correctly too, so this also holds on a GPU.

    Args:
        processor: transformers' Qwen2VLImageProcessor, as AutoImageProcessor loads it.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._patch = int(getattr(processor, "patch_size", 0))
        self._merge = int(getattr(processor, "merge_size", 0))
        self._temporal = int(getattr(processor, "temporal_patch_size", 0))
        self._scales: dict[torch.device, tuple[Tensor, Tensor]] = {}
        self._exact = type(processor).__name__ == "Qwen2VLImageProcessor" and self._equals_processor()

    @classmethod
    def from_checkpoint(cls, target: Path) -> PixelPrep:
        """Reads the settings from the processor of a model directory.

        Raises:
            UserError: ``target-processor``.
        """
        return cls(load_image_processor(target))

    @property
    def width(self) -> int:
        """Number of values per patch: channels * frames * side * side."""
        return 3 * self._temporal * self._patch**2

    def fits(self, height: int, width: int) -> bool:
        """Whether the processor keeps this size, so that :meth:`prepare` may replace it."""
        return self._exact and self._resized(height, width) == (height, width)

    def grid(self, height: int, width: int) -> Grid:
        """The processor's grid for a picture of a size that :meth:`fits`."""
        return 1, height // self._patch, width // self._patch

    def prepare(self, pictures: Sequence[Tensor], grids: Sequence[Grid], dtype: torch.dtype = torch.float32) -> Tensor:
        """The processor's pixel_values of pictures, on their device.

        Adjacent pictures of equal size are batched. Nothing is read back to the host.

        Args:
            pictures: uint8 [H, W, 3] each, RGB, all on one device, of sizes that :meth:`fits`.
            grids: the expected grid of each.
            dtype: fp32, or the target's compute dtype: bit-identical to casting afterwards, without the fp32 copy.

        Returns:
            [patches, 3 * temporal * patch^2].

        Raises:
            ValueError: a picture does not match its grid, or the processor would resample it.
        """
        for number, (picture, grid) in enumerate(zip(pictures, grids, strict=True)):
            height, width = picture.shape[:2]
            if not self.fits(height, width) or self.grid(height, width) != tuple(grid):
                raise ValueError(f"picture {number} of {width}x{height} does not match the grid {tuple(grid)}")
        patches = sum(t * h * w for t, h, w in grids)
        made = torch.empty(patches, self.width, dtype=dtype, device=pictures[0].device)
        start = 0
        for (height, width, _), group in groupby(pictures, key=lambda picture: tuple(picture.shape)):
            same = list(group)
            end = start + len(same) * (height // self._patch) * (width // self._patch)
            self._fill(made[start:end], torch.stack(same) if len(same) > 1 else same[0][None])
            start = end
        return made

    def prepare_equal(self, pictures: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """As :meth:`prepare`, for pictures of equal size in one tensor [B, H, W, 3]."""
        count, height, width, _ = pictures.shape
        if not self.fits(height, width):
            raise ValueError(f"pictures of {width}x{height} would be resampled")
        _, high, wide = self.grid(height, width)
        made = torch.empty(count * high * wide, self.width, dtype=dtype, device=pictures.device)
        self._fill(made, pictures)
        return made

    def _fill(self, made: Tensor, pictures: Tensor) -> None:
        """Writes pictures [B, H, W, C] into ``made`` [B * patches, C * T * P * P]."""
        count, height, width, channels = pictures.shape
        patch, merge = self._patch, self._merge
        high, wide = height // (patch * merge), width // (patch * merge)
        split = pictures.view(count, high, merge, patch, wide, merge, patch, channels)
        # Patches of one merged token are adjacent: [B, H/mP, W/mP, m, m, C, P, P].
        split = split.permute(0, 1, 4, 2, 5, 7, 3, 6)
        places = made.view(count, high, wide, merge, merge, channels, self._temporal, patch, patch)
        mean, std = self._scale(pictures.device)
        values = torch.empty(split.shape, dtype=torch.float32, device=pictures.device).copy_(split)
        values.sub_(mean).div_(std)
        # A picture is a video of identical frames.
        places.copy_(values.unsqueeze(6).expand_as(places))

    def _scale(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation in byte units, [C, 1, 1] each."""
        if device not in self._scales:
            processor = self._processor
            # The processor folds its rescale factor into them in this order; _equals_processor verifies it.
            factor = 1.0 / processor.rescale_factor
            parts = (torch.tensor(one) * factor for one in (processor.image_mean, processor.image_std))
            mean, std = (part.view(-1, 1, 1).to(device) for part in parts)
            self._scales[device] = mean, std
        return self._scales[device]

    def _resized(self, height: int, width: int) -> tuple[int, int] | None:
        """(height, width) that the processor resizes to; None if it rejects the size."""
        factor = self._patch * self._merge
        if not self._processor.do_resize:
            return (height, width) if height % factor == 0 and width % factor == 0 else None
        from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

        limits = self._processor.size
        if not limits.shortest_edge or not limits.longest_edge:
            return None
        try:
            made = smart_resize(height, width, factor, limits.shortest_edge, limits.longest_edge)
        except ValueError:
            return None
        return int(made[0]), int(made[1])

    def _equals_processor(self) -> bool:
        processor = self._processor
        if not (processor.do_rescale and processor.do_normalize and self._patch and self._merge):
            return False
        height, width = 2 * self._patch * self._merge, 3 * self._patch * self._merge
        for _ in range(_ROUNDS):
            resized = self._resized(height, width)
            if resized is None:
                return False
            if resized == (height, width):
                break
            height, width = resized
        else:
            return False
        # An odd stride cycles through every byte value, in each channel.
        bytes_ = (torch.arange(height * width * 3) * 37 % 256).to(torch.uint8).view(height, width, 3)
        wanted = processor(images=[bytes_.permute(2, 0, 1)], return_tensors="pt", input_data_format="channels_first")
        made = torch.empty(self.grid(height, width)[1] * self.grid(height, width)[2], self.width)
        if made.shape != wanted["pixel_values"].shape:
            return False
        self._fill(made, bytes_[None])
        return torch.equal(made, wanted["pixel_values"])
