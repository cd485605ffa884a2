"""A row of the shards as the trainer feeds it, against the processor on the same messages and pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from draftsmith_trainer.data.images import PixelReader
from draftsmith_trainer.data.shards import ImageShards, RowShards
from PIL import Image
from torch import Tensor


def row_against_processor(model: Path, processor: Any, question: dict[str, Any]) -> dict[str, Any]:
    """Processes one chat with its real pictures and compares the row of the shards that was made of it.

    Question: shards, split, index (of the row), messages (as a template sees them), images (hashes), videos (frames as
    hashes, fps, indices). Answer: for the row's ids [S], types [S], grids and pixel values [patches, ...] whether each
    equals the processor's; ``length`` of the row.
    """
    directory = Path(question["shards"])
    row = RowShards(directory, question["split"])[question["index"]]
    store = ImageShards(directory)
    reader = PixelReader(model, store)

    def picture(name: str) -> Image.Image:
        return Image.open(io.BytesIO(store.png(name))).convert("RGB")

    text = processor.apply_chat_template(question["messages"], tokenize=False)
    given: dict[str, Any] = {}
    if question["videos"]:
        given["videos"] = [[picture(name) for name in video["frames"]] for video in question["videos"]]
        given["do_sample_frames"] = False
        given["video_metadata"] = [
            {"fps": video["fps"], "total_num_frames": len(video["frames"]), "frames_indices": list(video["indices"])}
            for video in question["videos"]
        ]
    images = [picture(name) for name in question["images"]]
    fields = processor(text=[text], images=images or None, **given, return_tensors="pt")
    pixels, grid = reader.pixels(row)
    videos, video_grid = reader.videos(row)
    # The template ends with a line end that nobody says: the row stops before it.
    length = len(row)

    def same(ours: Tensor | None, name: str) -> bool:
        theirs = fields.get(name)
        return ours is None and theirs is None if ours is None or theirs is None else torch.equal(ours, theirs)

    return {
        "length": length,
        "beyond": int(fields["input_ids"].shape[1]) - length,
        "ids": fields["input_ids"][0, :length].tolist() == row.input_ids.tolist(),
        "types": fields["mm_token_type_ids"][0, :length].tolist() == row.token_types.tolist(),
        "pixels": same(pixels, "pixel_values"),
        "grid": same(grid, "image_grid_thw"),
        "videoPixels": same(videos, "pixel_values_videos"),
        "videoGrid": same(video_grid, "video_grid_thw"),
    }
