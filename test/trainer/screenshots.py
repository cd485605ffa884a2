"""Synthetic screenshots, as the import stage writes them, for benchmarks."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

#: preprocessor_config.json: Qwen3-VL's, but for the upper limit, which here leaves screenshots their size.
PROCESSOR = {
    "image_processor_type": "Qwen2VLImageProcessorFast",
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "patch_size": 16,
    "merge_size": 2,
    "temporal_patch_size": 2,
    "size": {"shortest_edge": 65536, "longest_edge": 16777216},
}


def screenshot(seed: int, width: int, height: int) -> Any:
    """Windows, text and one picture with noise, uint8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (width, height), (245, 245, 248))
    draw = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        corner = (x + int(rng.integers(20, 400)), y + int(rng.integers(10, 120)))
        draw.rectangle([(x, y), corner], fill=tuple(rng.integers(0, 256, 3).tolist()))
    for _ in range(250):
        text = "".join(map(chr, rng.integers(33, 126, int(rng.integers(5, 60)))))
        place = (int(rng.integers(width)), int(rng.integers(height)))
        draw.text(place, text, fill=tuple(rng.integers(0, 90, 3).tolist()))
    pixels = np.asarray(picture).copy()
    photo = np.cumsum(rng.integers(-3, 4, (height // 3, width // 3, 3)), axis=1) + 128
    pixels[10 : 10 + photo.shape[0], 10 : 10 + photo.shape[1]] = photo.clip(0, 255)
    return pixels


def png_bytes(pixels: Any) -> bytes:
    """An RGB PNG without row filters, as src/images/canonicalise.ts writes it."""
    height, width, _ = pixels.shape
    lines = np.zeros((height, 1 + 3 * width), np.uint8)
    lines[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines.tobytes(), 4)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
