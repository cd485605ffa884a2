"""How long a training job looks through its rows at the start: `python bench_start.py [--rows N] [--plain N]`.

Writes a synthetic shard set (random ids, one response a row) into a temporary directory, opens it as the train job
does, and prints seconds for the first pass and for the best of three further ones. --plain also times the row-by-row
loop over the first N rows. Not a test: nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

_ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(_ROOT / "src" / "trainer"), str(_ROOT / "test" / "trainer")]

from draftsmith_trainer.data.blocks import candidates  # noqa: E402
from draftsmith_trainer.data.shards import RowShards  # noqa: E402
from draftsmith_trainer.train.corpus import open_corpus  # noqa: E402
from draftsmith_trainer.train.options import TrainOptions  # noqa: E402
from shard_maker import ROW_SCHEMA, SPLIT_FILES  # noqa: E402

#: As src/artifacts/arrow-rows.ts writes them.
_BATCH_ROWS, _FILE_ROWS = 1024, 8192
_MASK_ID = 151_669


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--rows", type=int, default=278_000)
    flags.add_argument("--tokens", type=int, default=1400, help="mean length of a row")
    flags.add_argument("--supervised", type=int, default=200, help="mean length of its response")
    flags.add_argument("--plain", type=int, default=0, help="rows for the row-by-row loop")
    chosen = flags.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        _write_split(directory, "train", chosen.rows, chosen.tokens, chosen.supervised)
        _write_split(directory, "heldout", max(1, chosen.rows // 10), chosen.tokens, chosen.supervised)
        size = sum(path.stat().st_size for path in directory.iterdir())
        print(
            f"{chosen.rows:,} training rows of about {chosen.tokens:,} tokens, {size / 1e9:.1f} GB with held-out rows"
        )
        seconds = [_open(directory) for _ in range(4)]
        print(f"open_corpus: first {seconds[0]:.2f} s, then {min(seconds[1:]):.2f} s")
        if chosen.plain:
            spent = _plain(RowShards(directory, "train"), chosen.plain)
            whole = spent * chosen.rows / chosen.plain
            print(f"row by row: {spent:.2f} s for {chosen.plain:,} rows, so {whole:.1f} s for all")


def _open(directory: Path) -> float:
    began = time.perf_counter()
    open_corpus(directory, TrainOptions(), _MASK_ID)
    return time.perf_counter() - began


def _plain(shards: RowShards, rows: int) -> float:
    began = time.perf_counter()
    for i in range(rows):
        row = shards[i]
        len(candidates(row))
        bool(((row.input_ids == _MASK_ID) & (row.loss_mask > 0)).any())
    return time.perf_counter() - began


def _write_split(directory: Path, split: str, rows: int, tokens: int, supervised: int) -> None:
    generator = np.random.default_rng(len(split))
    files = -(-rows // _FILE_ROWS)
    schema = ROW_SCHEMA.with_metadata({"draftsmith": json.dumps({"schemaVersion": 1})})
    for number in range(files):
        path = directory / f"{SPLIT_FILES[split]}-{number:05d}-of-{files:05d}.arrow"
        left = min(_FILE_ROWS, rows - number * _FILE_ROWS)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for start in range(0, left, _BATCH_ROWS):
                count = min(_BATCH_ROWS, left - start)
                writer.write_batch(_batch(generator, schema, count, tokens, supervised))


def _batch(
    generator: np.random.Generator, schema: pa.Schema, rows: int, tokens: int, supervised: int
) -> pa.RecordBatch:
    lengths = generator.integers(tokens * 3 // 4, tokens * 5 // 4, rows)
    said = np.minimum(generator.integers(supervised // 2, supervised * 3 // 2, rows), lengths)
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    total = int(offsets[-1])
    mask = np.zeros(total, np.int8)
    for end, length in zip(offsets[1:], said, strict=True):
        mask[end - length : end] = 1
    starts = (lengths - said).astype(np.int32)
    columns = {
        "input_ids": _lists(offsets, generator.integers(0, 150_000, total, dtype=np.int32)),
        "loss_mask": _lists(offsets, mask),
        "mm_token_type_ids": _lists(offsets, np.zeros(total, np.int8)),
        "image_hashes": pa.array([["0" * 64]] * rows, pa.list_(pa.utf8())),
        "image_grid_thw": pa.array([[1, 44, 80]] * rows, pa.list_(pa.int32())),
        "dialogue_id": pa.array([f"d{i}" for i in range(rows)]),
        "row": pa.array(np.zeros(rows, np.int32)),
        "response_spans": pa.array(np.stack((starts, lengths), axis=1).tolist(), pa.list_(pa.int32())),
        "tags": pa.array(["{}"] * rows),
    }
    empty = {field.name: pa.array([[]] * rows, field.type) for field in schema if field.name not in columns}
    return pa.RecordBatch.from_arrays([{**columns, **empty}[field.name] for field in schema], schema=schema)


def _lists(offsets: np.ndarray, values: np.ndarray) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))


if __name__ == "__main__":
    main()
