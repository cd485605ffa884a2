"""A prompt prepared for the target: expanded ids, images, and 3-D positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from draftsmith_trainer.base.errors import UserError
from torch import Tensor

from .vision import PixelImage


@dataclass(frozen=True)
class Prompt:
    """A prompt to continue.

    Attributes:
        ids: token ids with image placeholders expanded (length S).
        images: in prompt order; each has t*h*w/merge^2 consecutive placeholders.
        positions: int64 [3, S], rotary positions (time, height, width).
        delta: after the prompt, a token's position is its index plus this.
        key: int64 [S]: the ids, with placeholders replaced by numbers derived from the image, so that equal keys imply
            equal states. The prefix cache compares keys.
    """

    ids: list[int]
    images: list[PixelImage]
    positions: Tensor
    delta: int
    key: np.ndarray[tuple[int], np.dtype[np.int64]]

    def __len__(self) -> int:
        return len(self.ids)


def image_key(ids: np.ndarray[tuple[int], np.dtype[np.int64]], mask: np.ndarray, images: list[PixelImage]) -> None:
    """Overwrites the placeholders in ``ids`` (where ``mask`` is true) in place; see ``Prompt.key``.

    The numbers are negative, unlike any token id, and hold the first 60 bits of the image's digest.
    """
    if not images:
        return
    numbers = np.array([-(int(image.digest[:15], 16) + 1) for image in images], dtype=np.int64)
    counts = np.diff(np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8))))[::2]
    if len(counts) != len(images):
        raise UserError("image-count", f"The prompt has {len(counts)} image placeholder runs but {len(images)} images.")
    ids[mask] = np.repeat(numbers, counts)


def check_placeholders(mask: Tensor, images: list[PixelImage], merge: int) -> None:
    """Compares the runs of placeholders with the images' sizes.

    Raises:
        UserError: ``image-count`` or ``image-tokens``.
    """
    flat = torch.nn.functional.pad(mask.to(torch.int8), (1, 1))
    edges = torch.diff(flat)
    starts, ends = torch.nonzero(edges == 1).flatten(), torch.nonzero(edges == -1).flatten()
    runs = (ends - starts).tolist()
    wanted = [image.grid[0] * image.grid[1] * image.grid[2] // merge**2 for image in images]
    if len(runs) != len(wanted):
        raise UserError("image-count", f"The prompt has {len(runs)} image placeholder runs but {len(wanted)} images.")
    for number, (have, want) in enumerate(zip(runs, wanted, strict=True)):
        if have != want:
            message = f"Image {number} needs {want} placeholder tokens, but the prompt has {have}."
            raise UserError("image-tokens", message)
