"""Rows of a size: one screenshot each, a prompt, a response at the end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from draftsmith_trainer.data.shards import Row
from screenshots import PROCESSOR, png_bytes, screenshot
from shard_maker import write_images

WIDTH, HEIGHT = 1280, 704
GRID = (1, HEIGHT // 16, WIDTH // 16)
IMAGE, START, END = 1, 3, 4


@dataclass(frozen=True)
class Size:
    """A batch: so many rows of so many tokens, of which the last ``supervised`` are the response."""

    rows: int
    tokens: int
    supervised: int

    def __str__(self) -> str:
        return f"{self.rows} x {self.tokens:,} tokens, {self.supervised} supervised"


SIZES = {"gui": Size(8, 1400, 200), "long": Size(2, 4096, 600)}


def write_directory(directory: Path, pictures: int, config: dict[str, Any]) -> list[str]:
    """A model directory without weights and image shards with ``pictures`` screenshots; their hashes."""
    (directory / "preprocessor_config.json").write_text(json.dumps(PROCESSOR), "utf-8")
    (directory / "config.json").write_text(json.dumps(config), "utf-8")
    return write_images(directory, [png_bytes(screenshot(seed, WIDTH, HEIGHT)) for seed in range(pictures)])


def make_row(index: int, size: Size, picture: str, vocabulary: int) -> Row:
    """A row whose text is random."""
    rng = np.random.default_rng(index)
    visual = int(np.prod(GRID)) // 4
    ids = rng.integers(10, vocabulary - 1000, size.tokens).astype(np.int32)
    ids[4] = START
    ids[5 : 5 + visual] = IMAGE
    ids[5 + visual] = END
    types = (ids == IMAGE).astype(np.int8)
    mask = np.zeros(size.tokens, np.int8)
    mask[-size.supervised :] = 1
    spans = ((size.tokens - size.supervised, size.tokens),)
    return Row(index, ids, mask, types, (picture,), np.array([GRID], np.int32), f"d{index}", 0, (0,), spans)
