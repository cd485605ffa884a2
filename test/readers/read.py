"""Reads a shards directory with each library and prints what it saw as JSON: `python read.py DIR LIBRARY`.

Every library gives the same two tables, of rows (both splits, by split) and of images, so that the test compares one form.
"""

import glob
import hashlib
import json
import sys

LISTS = ("input_ids", "loss_mask", "mm_token_type_ids", "image_hashes", "image_grid_thw", "video_frames")
LISTS += ("video_frame_counts", "video_grid_thw", "turns", "response_spans")
SPLITS = ("train", "validation")


def plain(row):
    return {key: list(value) if key in LISTS else value for key, value in row.items()}


def of_bytes(row):
    png = row["image"]["bytes"]
    return {**row, "image": row["image"]["path"], "sha256": hashlib.sha256(png).hexdigest()}


def of_picture(row):
    picture = row["image"]
    return {**row, "image": None, "size": list(picture.size), "first": list(picture.convert("RGB").getpixel((0, 0)))}


def with_datasets(directory, streaming=False):
    from datasets import Image, load_dataset

    rows = load_dataset(directory, streaming=streaming)
    images = load_dataset(directory, "images", split="train", streaming=streaming)
    assert isinstance(images.features["image"], Image), images.features
    return {
        "rows": {split: [plain(row) for row in rows[split]] for split in rows},
        "images": [of_picture(row) for row in images],
        "features": {name: repr(feature) for name, feature in rows["train"].features.items()},
    }


def with_pyarrow(directory):
    import pyarrow as pa
    import pyarrow.dataset as ds

    out = {"rows": {}, "metadata": []}
    for split in SPLITS:
        tables = []
        for path in sorted(glob.glob(f"{directory}/rows/{split}-*.arrow")):
            file = pa.ipc.open_file(pa.memory_map(path))
            out["metadata"].append(json.loads(file.schema.metadata[b"draftsmith"]))
            tables.append(file.read_all())
        table = pa.concat_tables(tables)
        table.validate(full=True)
        out["rows"][split] = table.to_pylist()
    images = ds.dataset(f"{directory}/images", format="arrow").to_table()
    images.validate(full=True)
    out["images"] = [of_bytes(row) for row in images.to_pylist()]
    # A pattern over the rows meets no image, and both splits have one schema.
    out["together"] = ds.dataset(f"{directory}/rows", format="arrow").count_rows()
    return out


def with_polars(directory):
    import polars as pl

    rows = {split: pl.scan_ipc(f"{directory}/rows/{split}-*.arrow").collect().to_dicts() for split in SPLITS}
    together = pl.scan_ipc(f"{directory}/rows/*.arrow").select(pl.len()).collect(engine="streaming").item()
    images = [of_bytes(row) for row in pl.scan_ipc(f"{directory}/images/*.arrow").collect().to_dicts()]
    return {"rows": rows, "images": images, "together": together}


def with_duckdb(directory):
    import duckdb
    import pyarrow.dataset as ds

    def dicts(relation):
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]

    rows = {}
    for split in SPLITS:
        part = ds.dataset(sorted(glob.glob(f"{directory}/rows/{split}-*.arrow")), format="arrow")
        rows[split] = dicts(duckdb.sql("select * from part"))
        del part
    images = ds.dataset(f"{directory}/images", format="arrow")
    return {"rows": rows, "images": [of_bytes(row) for row in dicts(duckdb.sql("select * from images"))]}


READERS = {
    "datasets": with_datasets,
    "datasets, streaming": lambda directory: with_datasets(directory, streaming=True),
    "pyarrow": with_pyarrow,
    "polars": with_polars,
    "duckdb": with_duckdb,
}

if __name__ == "__main__":
    print(json.dumps(READERS[sys.argv[2]](sys.argv[1])))
