"""PNG bytes to pixels."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...base.errors import UserError
from ..shards import ImageShards

#: uint8 [H, W, 3], RGB.
Pixels = npt.NDArray[np.uint8]


def read_picture(images: ImageShards, name: str) -> Pixels:
    """The pixels of the picture with the hash ``name``.

    Raises:
        UserError: ``image-missing``; ``image-damaged``, also when its size differs from the one in its shard.
    """
    pixels = decode(images.png(name), name)
    height, width = images.size(name)
    if pixels.shape[:2] != (height, width):
        found = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise UserError("image-damaged", f"image {name} is {found} pixels, its shard says {width}x{height}")
    return pixels


def decode(png: bytes, name: str) -> Pixels:
    """The pixels of the picture with the hash ``name``, converted to RGB.

    Pillow keeps a worker small. An unfiltered 1920x1088 screenshot, as image shards store it, takes 12.7 ms of one core
    with Pillow and 10.7 ms with torchvision's decoder, nearly all of it in zlib; but torchvision costs each worker
    730 MB and 4 s at startup, Pillow 57 MB and 0.3 s.

    Raises:
        UserError: ``image-damaged``.
    """
    try:
        with Image.open(io.BytesIO(png)) as picture:
            return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError("image-damaged", f"image {name} cannot be decoded: {error}") from error
