"""Reads shard directories: Arrow IPC files, memory-mapped, so that a corpus takes address space, not memory."""

from __future__ import annotations

import bisect
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..base.errors import UserError
from .layout import check_files, shard_files

Ints = npt.NDArray[Any]


@dataclass(frozen=True)
class Row:
    """One training sequence of S tokens.

    Attributes:
        index: row number within the split.
        input_ids: int32 [S], pads expanded. loss_mask: int8 [S]. token_types: int8 [S], 0 text, 1 image, 2 video.
        image_hashes: one per image, in order. image_grid: int32 [images, 3].
        spans: (start, end) of every supervised response, end exclusive.
        video_frames: for each video the hashes of its frames, in order. video_grid: int32 [videos, 3].
        tags: the dialogue's tags, a JSON object of strings.
    """

    index: int
    input_ids: Ints
    loss_mask: Ints
    token_types: Ints
    image_hashes: tuple[str, ...]
    image_grid: Ints
    dialogue_id: str
    row: int
    turns: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    video_frames: tuple[tuple[str, ...], ...] = ()
    video_grid: Ints = field(default_factory=lambda: np.zeros((0, 3), np.int32))
    tags: str = "{}"

    def __len__(self) -> int:
        return len(self.input_ids)


class RowShards:
    """All rows of one split (``train`` or ``heldout``), indexed by number."""

    def __init__(self, directory: Path, split: str) -> None:
        self.files = shard_files(directory, split)
        if not self.files:
            raise UserError("shards-missing", f"{directory} has no {split} rows", "is this a shards artifact?")
        check_files(directory, self.files)
        self.metadata: dict[str, Any] = {}
        self._batches: list[pa.RecordBatch] = []
        self._starts: list[int] = []
        count = 0
        for path in self.files:
            reader = _open(path)
            raw = (reader.schema.metadata or {}).get(b"draftsmith")
            self.metadata = json.loads(raw) if raw else {}
            _require(path, reader.schema, ("input_ids", "loss_mask", "mm_token_type_ids", "response_spans"))
            for i in range(reader.num_record_batches):
                batch = reader.get_batch(i)
                self._batches.append(batch)
                self._starts.append(count)
                count += batch.num_rows
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Row:
        if not 0 <= index < self._count:
            raise IndexError(index)
        part = bisect.bisect_right(self._starts, index) - 1
        return _row(self._batches[part], index - self._starts[part], index)

    def __iter__(self) -> Iterator[Row]:
        return (self[i] for i in range(len(self)))

    @property
    def batches(self) -> list[pa.RecordBatch]:
        """The record batches of all files in order, for column-wise computation."""
        return self._batches

    @cached_property
    def lengths(self) -> Ints:
        """int64 [rows], tokens per row."""
        parts = [np.diff(_offsets(batch.column("input_ids"))) for batch in self._batches]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)


class ImageShards:
    """PNG bytes by content hash. Files are sorted by hash, so a lookup is a binary search on the mapped column.

    A picture's bytes are compared with its hash when they are read, so opening costs nothing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._parts: list[pa.RecordBatch] = []
        for path in shard_files(directory, "images"):
            reader = _open(path)
            # Shards written before `datasets` could show the pictures hold the bytes in a column of their own.
            bytes_column = "png" if "png" in reader.schema.names else "image"
            _require(path, reader.schema, ("hash", bytes_column, "width", "height"))
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            self._parts += [batch for batch in batches if batch.num_rows]

    def png(self, image_hash: str) -> bytes:
        """The PNG with this hash.

        Raises:
            UserError: ``image-missing``, ``image-damaged``.
        """
        batch, at = self._locate(image_hash)
        column = batch.column("png") if "png" in batch.schema.names else batch.column("image").field("bytes")
        data: bytes = column[at].as_py()
        if hashlib.sha256(data).hexdigest() != image_hash:
            message = f"image {image_hash}: its bytes in the image shards of {self.directory} are others"
            raise UserError("image-damaged", message, "run the shard step again, or copy the files again")
        return data

    def size(self, image_hash: str) -> tuple[int, int]:
        """(height, width) of the picture with this hash, without reading its bytes.

        Raises:
            UserError: ``image-missing``.
        """
        batch, at = self._locate(image_hash)
        return int(batch.column("height")[at].as_py()), int(batch.column("width")[at].as_py())

    def _locate(self, image_hash: str) -> tuple[pa.RecordBatch, int]:
        for batch in self._parts:
            hashes = batch.column("hash")
            if not hashes[0].as_py() <= image_hash <= hashes[-1].as_py():
                continue
            at = _find(hashes, image_hash)
            if at < batch.num_rows and hashes[at].as_py() == image_hash:
                return batch, at
        raise UserError("image-missing", f"no image {image_hash} in the image shards of {self.directory}")


def _find(hashes: Any, wanted: str) -> int:
    """The index of ``wanted`` in a sorted string column, or its insertion point."""
    return bisect.bisect_left(range(len(hashes)), wanted, key=lambda i: hashes[i].as_py())


def _open(path: Path) -> Any:
    try:
        return pa.ipc.open_file(pa.memory_map(str(path)))
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError("shards-damaged", f"{path} is not an Arrow IPC file: {error}") from error


def _require(path: Path, schema: pa.Schema, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in schema.names:
            raise UserError("shards-damaged", f"{path} has no column {name!r}")


def _offsets(column: Any) -> Ints:
    offsets: Ints = np.asarray(column.offsets)[: len(column) + 1].astype(np.int64)
    return offsets


def _list(batch: pa.RecordBatch, name: str, at: int) -> Ints:
    column = batch.column(name)
    start, end = column.offsets[at].as_py(), column.offsets[at + 1].as_py()
    values: Ints = column.values.slice(start, end - start).to_numpy(zero_copy_only=False)
    return values


def _row(batch: pa.RecordBatch, at: int, index: int) -> Row:
    def optional(name: str, default: Any) -> Any:
        return batch.column(name)[at].as_py() if name in batch.schema.names else default

    # Shards written before videos were supported lack these columns.
    frames = iter(optional("video_frames", []))
    counts = optional("video_frame_counts", [])
    spans = _list(batch, "response_spans", at).reshape(-1, 2)
    return Row(
        index=index,
        input_ids=_list(batch, "input_ids", at),
        loss_mask=_list(batch, "loss_mask", at),
        token_types=_list(batch, "mm_token_type_ids", at),
        image_hashes=tuple(optional("image_hashes", [])),
        image_grid=_list(batch, "image_grid_thw", at).reshape(-1, 3),
        video_frames=tuple(tuple(islice(frames, count)) for count in counts),
        video_grid=np.array(optional("video_grid_thw", []), np.int32).reshape(-1, 3),
        dialogue_id=optional("dialogue_id", str(index)),
        row=optional("row", 0),
        turns=tuple(optional("turns", [])),
        spans=tuple((int(start), int(end)) for start, end in spans),
        tags=optional("tags", "{}"),
    )
