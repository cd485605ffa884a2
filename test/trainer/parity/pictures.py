"""What Pillow and transformers' image processors make of picture files: for tests of the canonical images."""

from __future__ import annotations

import base64
import hashlib
import io
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from transformers import AutoImageProcessor

BACKENDS = ("torchvision", "pil")


def decoded(question: dict[str, Any]) -> dict[str, Any]:
    """How Pillow sees files: question ``files`` (base64), ``upright`` to apply the EXIF orientation and blend on white.

    Answer: for each file its size, mode, names of everything beside pixels, and the sha256 of its RGB bytes [H, W, 3].
    """
    pictures = []
    for file in question["files"]:
        with Image.open(io.BytesIO(base64.b64decode(file))) as opened:
            picture: Image.Image = opened
            picture.load()
            mode, info = picture.mode, sorted(str(name) for name in picture.info)
            if question.get("upright"):
                picture = _upright_on_white(picture)
            rgb = picture.convert("RGB")
        digest = hashlib.sha256(rgb.tobytes()).hexdigest()
        pictures.append({"width": rgb.width, "height": rgb.height, "mode": mode, "info": info, "pixels": digest})
    return {"pictures": pictures}


def processed(model: str, question: dict[str, Any]) -> dict[str, Any]:
    """What each processor backend makes of ``files`` (base64) against a pass that cannot resample.

    Answer: for each file and backend the grid, whether pixel_values [patches, channels x 2 x P x P] are equal bit by
    bit to ``plain_pass``, and whether they are equal to the processor's own with ``do_resize=False``.
    """
    answers = []
    for file in question["files"]:
        with Image.open(io.BytesIO(base64.b64decode(file))) as opened:
            picture = opened.convert("RGB")
        answer: dict[str, Any] = {}
        for backend in BACKENDS:
            processor = _processor(model, backend)
            fields = processor(images=[picture], return_tensors="pt")
            unscaled = processor(images=[picture], return_tensors="pt", do_resize=False)["pixel_values"]
            plain = plain_pass(picture, processor, backend)
            answer[backend] = {
                "grid": fields["image_grid_thw"][0].tolist(),
                "plain": torch.equal(fields["pixel_values"], plain),
                "unscaled": torch.equal(fields["pixel_values"], unscaled),
            }
        answers.append(answer)
    return {"pictures": answers}


def plain_pass(picture: Image.Image, processor: Any, backend: str) -> torch.Tensor:
    """Normalise and cut into patches, nothing else: [patches, channels x 2 x P x P], merge groups together.

    Two frames are the same still picture. The backends round differently: torchvision folds the rescaling into mean and
    standard deviation, the other rescales in doubles first.
    """
    mean, std = np.array(processor.image_mean), np.array(processor.image_std)
    pixels = np.asarray(picture)
    if backend == "torchvision":
        scale = 1.0 / processor.rescale_factor
        means = torch.tensor(processor.image_mean) * scale
        stds = torch.tensor(processor.image_std) * scale
        values = ((torch.from_numpy(pixels.copy()).float() - means) / stds).numpy()
    else:
        rescaled = (pixels.astype(np.float64) * processor.rescale_factor).astype(np.float32)
        values = (rescaled - mean.astype(np.float32)) / std.astype(np.float32)
    patch, merge = processor.patch_size, processor.merge_size
    high, wide = pixels.shape[0] // (patch * merge), pixels.shape[1] // (patch * merge)
    cut = values.reshape(high, merge, patch, wide, merge, patch, 3).transpose(0, 3, 1, 4, 6, 2, 5)
    frames = np.stack([cut, cut], axis=5)
    return torch.from_numpy(np.ascontiguousarray(frames.reshape(high * wide * merge * merge, -1)))


def _upright_on_white(picture: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(picture)
    if not upright.has_transparency_data:
        return upright
    white = Image.new("RGBA", upright.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, upright.convert("RGBA"))


@lru_cache(maxsize=8)
def _processor(model: str, backend: str) -> Any:
    return AutoImageProcessor.from_pretrained(model, backend=backend)
