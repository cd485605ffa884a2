"""Random rows with images for the tiny targets, and the shards made of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from shard_maker import SampleRow, png_of, write_images, write_rows
from target_maker import IMAGE, VIDEO, VISION_END, VISION_START

#: A 64 x 64 picture is a 4 x 4 grid of patches, which the target merges into 4 visual tokens.
_GRID, _VISUAL_TOKENS = (1, 4, 4), 4


def sample_row(seed: int, turns: int = 1, response: int = 12, images: bool = True) -> tuple[SampleRow, list[bytes]]:
    """A row of ``turns`` turns, each a picture, a few prompt tokens and a response that repeats a short pattern."""
    rng = np.random.default_rng(seed)
    ids: list[int] = rng.integers(0, 400, 3).tolist()
    spans, pngs, grids = [], [], []
    for turn in range(turns):
        if images:
            pngs.append(png_of(1000 * seed + turn))
            grids.append(_GRID)
            ids += [VISION_START, *[IMAGE] * _VISUAL_TOKENS, VISION_END]
        ids += rng.integers(0, 400, int(rng.integers(2, 6))).tolist()
        start, length = len(ids), response + int(rng.integers(0, 5))
        # A few patterns over and over, so that a tiny draft can learn something in a few steps.
        first = 10 * int(rng.integers(0, 3))
        ids += [first + i % 4 for i in range(length - 1)] + [499]
        spans.append((start, len(ids)))
    row = SampleRow(ids, spans, IMAGE, grids=grids, dialogue=f"dialogue-{seed}")
    return row, pngs


def video_row(seed: int, frames: int = 3) -> tuple[SampleRow, list[bytes], list[bytes]]:
    """A row of a picture and a video of 64 x 96 frames, in which times (some tokens) stand before each patch of two.

    Also the PNGs of the picture, and of the frames; their hashes stand in the row.
    """
    rng = np.random.default_rng(seed)
    row, pngs = sample_row(seed)
    shown = [png_of(9000 + 100 * seed + frame, 96, 64) for frame in range(frames)]
    patches, tokens = -(-frames // 2), 2 * 3
    ids = [VISION_START]
    for _ in range(patches):
        ids += [*rng.integers(0, 400, 3).tolist(), VISION_START, *[VIDEO] * tokens, VISION_END]
    ids.append(VISION_END)
    row.images = [hashlib.sha256(png).hexdigest() for png in pngs]
    row.spans = [(start + len(ids), end + len(ids)) for start, end in row.spans]
    row.ids = ids + row.ids
    row.video_token, row.video_grids = VIDEO, [(patches, 4, 6)]
    row.videos = [[hashlib.sha256(png).hexdigest() for png in shown]]
    return row, pngs, shown


def write_shards(
    directory: Path, train: int = 6, heldout: int = 3, turns: int = 1, response: int = 12, images: bool = True
) -> Path:
    """Shards with ``train`` and ``heldout`` rows."""
    pngs: list[bytes] = []
    rows: list[SampleRow] = []
    for seed in range(train + heldout):
        row, pictures = sample_row(seed, turns, response, images)
        row.images = write_images(directory, pictures) if pictures else []
        pngs += pictures
        rows.append(row)
    write_rows(directory, "train", rows[:train], files=2 if train > 3 else 1, batch=2)
    write_rows(directory, "heldout", rows[train:])
    if pngs:
        write_images(directory, pngs)
    return directory
