"""Writes shards in the contract's form with pyarrow, for tests and trials."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

Span = tuple[int, int]

ROW_SCHEMA = pa.schema(
    [
        ("input_ids", pa.list_(pa.int32())),
        ("loss_mask", pa.list_(pa.int8())),
        ("mm_token_type_ids", pa.list_(pa.int8())),
        ("image_hashes", pa.list_(pa.utf8())),
        ("image_grid_thw", pa.list_(pa.int32())),
        ("video_frames", pa.list_(pa.utf8())),
        ("video_frame_counts", pa.list_(pa.int32())),
        ("video_grid_thw", pa.list_(pa.int32())),
        ("dialogue_id", pa.utf8()),
        ("row", pa.int32()),
        ("turns", pa.list_(pa.int32())),
        ("response_spans", pa.list_(pa.int32())),
        ("tags", pa.utf8()),
    ]
)
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.utf8())])
IMAGE_SCHEMA = pa.schema([("hash", pa.utf8()), ("image", IMAGE_TYPE), ("width", pa.int32()), ("height", pa.int32())])
#: Split -> as its files are called.
SPLIT_FILES = {"train": "rows/train", "heldout": "rows/validation"}


@dataclass
class SampleRow:
    """A row before it is written; the loss mask follows from the spans."""

    ids: list[int]
    spans: list[Span]
    image_token: int | None = None
    images: list[str] = field(default_factory=list)
    grids: list[tuple[int, int, int]] = field(default_factory=list)
    dialogue: str = ""
    video_token: int | None = None
    videos: list[list[str]] = field(default_factory=list)
    video_grids: list[tuple[int, int, int]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def record(self, number: int) -> dict[str, object]:
        mask = np.zeros(len(self.ids), np.int8)
        for start, end in self.spans:
            mask[start:end] = 1
        return {
            "input_ids": self.ids,
            "loss_mask": mask.tolist(),
            "mm_token_type_ids": [2 if i == self.video_token else int(i == self.image_token) for i in self.ids],
            "image_hashes": self.images,
            "image_grid_thw": [n for grid in self.grids for n in grid],
            "video_frames": [name for frames in self.videos for name in frames],
            "video_frame_counts": [len(frames) for frames in self.videos],
            "video_grid_thw": [n for grid in self.video_grids for n in grid],
            "dialogue_id": self.dialogue or f"d{number:05d}",
            "row": 0,
            "turns": list(range(len(self.spans))),
            "response_spans": [n for span in self.spans for n in span],
            "tags": json.dumps(self.tags),
        }


def write_rows(
    directory: Path, split: str, rows: list[SampleRow], files: int = 1, batch: int = 1024, videos: bool = True
) -> None:
    """``videos=False`` writes the columns of shards from before there were videos."""
    (directory / "rows").mkdir(parents=True, exist_ok=True)
    schema = ROW_SCHEMA if videos else pa.schema([part for part in ROW_SCHEMA if not part.name.startswith("video_")])
    schema = schema.with_metadata({"draftsmith": json.dumps({"schemaVersion": 1})})
    records = [{k: v for k, v in row.record(i).items() if k in schema.names} for i, row in enumerate(rows)]
    size = -(-len(records) // files) if records else 0
    for number in range(files):
        path = directory / f"{SPLIT_FILES[split]}-{number:05d}-of-{files:05d}.arrow"
        part = records[number * size : (number + 1) * size]
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for start in range(0, len(part), batch):
                writer.write_batch(pa.RecordBatch.from_pylist(part[start : start + batch], schema=schema))


def write_images(directory: Path, pngs: list[bytes]) -> list[str]:
    (directory / "images").mkdir(parents=True, exist_ok=True)
    by_hash = {hashlib.sha256(png).hexdigest(): png for png in pngs}
    records = []
    for name in sorted(by_hash):
        width, height = Image.open(io.BytesIO(by_hash[name])).size
        picture = {"bytes": by_hash[name], "path": f"{name}.png"}
        records.append({"hash": name, "image": picture, "width": width, "height": height})
    path = directory / "images" / "images-00000-of-00001.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, IMAGE_SCHEMA) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist(records, schema=IMAGE_SCHEMA))
    return [hashlib.sha256(png).hexdigest() for png in pngs]


def png_of(seed: int, width: int = 64, height: int = 64) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()
