"""Image features, computed once per image: the same picture in a later turn of a conversation costs nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .kept import Kept
from .tower import Tower, runs_towers


@dataclass(frozen=True)
class PixelImage:
    """One preprocessed image.

    Attributes:
        pixel_values: [patches, channels x temporal x patch x patch], as the checkpoint's processor gives it.
        grid: (t, h, w) in patches.
        digest: identifies the pixels; two images with the same digest are the same to the model.
    """

    pixel_values: Tensor
    grid: tuple[int, int, int]
    digest: str

    @staticmethod
    def of(pixel_values: Tensor, grid: tuple[int, int, int]) -> PixelImage:
        """Names an image by its own pixels."""
        data = pixel_values.detach().to(device="cpu", dtype=torch.float32).contiguous().numpy().tobytes()
        return PixelImage(pixel_values, grid, hashlib.sha256(data + repr(grid).encode()).hexdigest())


@dataclass(frozen=True)
class ImageFeatures:
    """What the vision tower makes of one image.

    Attributes:
        embeds: [n, H], one row per placeholder token.
        deepstack: [n, H] for each of the first text layers that get one (Qwen3-VL; empty for Qwen3.5).
    """

    embeds: Tensor
    deepstack: tuple[Tensor, ...]


def _joined(features: Tensor | tuple[Tensor, ...] | list[Tensor]) -> Tensor:
    """transformers 5.23 splits features by image where 5.17 leaves one tensor; here there is one image."""
    return features if isinstance(features, Tensor) else torch.cat(list(features), dim=0)


def split_images(pixel_values: Tensor | None, grids: Tensor | None) -> list[PixelImage]:
    """A processor's batch of images [all patches, ...] and grids [images, 3] as single images."""
    if pixel_values is None or grids is None:
        return []
    parts = torch.split(pixel_values, [int(n) for n in grids.prod(-1).tolist()])
    return [PixelImage.of(part, (grid[0], grid[1], grid[2])) for part, grid in zip(parts, grids.tolist(), strict=True)]


class VisionEncoder:
    """Runs the vision tower image by image, so that features never depend on neighbours, and keeps them.

    Thread-safe: a server encodes new images beside the thread that decodes.
    """

    def __init__(self, model: Any, packed: bool = False, keep_bytes: int = 256 << 20) -> None:
        self._model = model
        self._tower = Tower(model.visual, packed) if runs_towers(model.visual) else None
        self._kept: Kept[ImageFeatures] = Kept(keep_bytes)

    @torch.inference_mode()
    def encode(self, image: PixelImage) -> ImageFeatures:
        """Features of one image, from memory when it was seen lately."""
        known = self._kept.get(image.digest)
        if known is not None:
            return known
        features = self._features(image)
        parts = (features.embeds, *features.deepstack)
        self._kept.put(image.digest, features, sum(part.numel() * part.element_size() for part in parts))
        return features

    def _features(self, image: PixelImage) -> ImageFeatures:
        device = next(self._model.visual.parameters()).device
        pixels = image.pixel_values.to(device)
        if self._tower is not None:
            return ImageFeatures(*self._tower(pixels, image.grid))
        out = self._model.get_image_features(pixels, torch.tensor([image.grid], device=device), return_dict=True)
        deepstack = getattr(out, "deepstack_features", None) or ()
        return ImageFeatures(_joined(out.pooler_output), tuple(_joined(part) for part in deepstack))

    def forget(self) -> None:
        """Drops all kept features."""
        self._kept.clear()
