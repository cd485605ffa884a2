"""Image features, cached so that an image is encoded once even if it appears in several turns of a conversation."""

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
        pixel_values: [patches, channels x temporal x patch x patch], from the checkpoint's processor.
        grid: (t, h, w) in patches.
        digest: identifies pixels and grid; images with equal digests are equal to the model.
    """

    pixel_values: Tensor
    grid: tuple[int, int, int]
    digest: str

    @staticmethod
    def of(pixel_values: Tensor, grid: tuple[int, int, int]) -> PixelImage:
        """Builds an image; its digest covers the pixels and the grid."""
        data = pixel_values.detach().to(device="cpu", dtype=torch.float32).contiguous().numpy().tobytes()
        return PixelImage(pixel_values, grid, hashlib.sha256(data + repr(grid).encode()).hexdigest())


@dataclass(frozen=True)
class ImageFeatures:
    """The vision tower's output for one image.

    Attributes:
        embeds: [n, H], one row per placeholder token.
        deepstack: [n, H] for each of the first text layers that add such features (Qwen3-VL; empty for Qwen3.5).
    """

    embeds: Tensor
    deepstack: tuple[Tensor, ...]


def _joined(features: Tensor | tuple[Tensor, ...] | list[Tensor]) -> Tensor:
    """One tensor: transformers 5.23 returns a list by image where 5.17 returns a tensor; here there is one image."""
    return features if isinstance(features, Tensor) else torch.cat(list(features), dim=0)


def split_images(pixel_values: Tensor | None, grids: Tensor | None) -> list[PixelImage]:
    """Splits a processor's batch, [all patches, ...] with grids [images, 3], into single images."""
    if pixel_values is None or grids is None:
        return []
    parts = torch.split(pixel_values, [int(n) for n in grids.prod(-1).tolist()])
    return [PixelImage.of(part, (grid[0], grid[1], grid[2])) for part, grid in zip(parts, grids.tolist(), strict=True)]


class VisionEncoder:
    """Runs the vision tower on one image at a time, so that features never depend on other images, and caches them.

    Thread-safe: a server encodes new images while another thread decodes.
    """

    def __init__(self, model: Any, packed: bool = False, keep_bytes: int = 256 << 20) -> None:
        self._model = model
        self._tower = Tower(model.visual, packed) if runs_towers(model.visual) else None
        self._kept: Kept[ImageFeatures] = Kept(keep_bytes)

    @torch.inference_mode()
    def encode(self, image: PixelImage) -> ImageFeatures:
        """The features of one image, from the cache if they are there."""
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
        """Drops all cached features."""
        self._kept.clear()
