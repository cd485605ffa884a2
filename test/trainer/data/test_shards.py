"""Shards: rows and images come back as they were written, across files and batches; damage is named."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.data.shards import ImageShards, RowShards
from sample import sample_row, video_row, write_shards
from shard_maker import png_of, write_images, write_rows


def test_rows_across_files_and_batches(tmp_path):
    rows = [sample_row(seed, turns=1 + seed % 3, images=False)[0] for seed in range(11)]
    write_rows(tmp_path, "train", rows, files=3, batch=2)
    shards = RowShards(tmp_path, "train")
    assert len(shards) == 11
    assert shards.lengths.tolist() == [len(row.ids) for row in rows]
    for i, (row, wanted) in enumerate(zip(shards, rows, strict=True)):
        assert row.index == i
        assert row.input_ids.tolist() == wanted.ids
        assert row.spans == tuple(wanted.spans)
        assert row.dialogue_id == wanted.dialogue
        assert row.turns == tuple(range(len(wanted.spans)))
        assert [int(m) for m in row.loss_mask] == [int(any(s <= p < e for s, e in row.spans)) for p in range(len(row))]
    with pytest.raises(IndexError):
        shards[11]


def test_row_tensors_are_views_of_the_file(tmp_path):
    write_rows(tmp_path, "train", [sample_row(1)[0]])
    row = RowShards(tmp_path, "train")[0]
    assert not row.input_ids.flags.owndata and not row.input_ids.flags.writeable


def test_images_by_hash(tmp_path):
    pngs = [png_of(seed) for seed in range(9)]
    names = write_images(tmp_path, pngs)
    images = ImageShards(tmp_path)
    assert [images.png(name) for name in names] == pngs
    for unknown in ("0" * 64, "f" * 64, names[0][:-1] + "x"):
        with pytest.raises(UserError) as error:
            images.png(unknown)
        assert error.value.code == "image-missing"


def test_empty_split_and_image_grid(tmp_path):
    write_shards(tmp_path, train=2, heldout=0)
    assert len(RowShards(tmp_path, "heldout")) == 0
    row = RowShards(tmp_path, "train")[0]
    assert row.image_grid.tolist() == [[1, 4, 4]]
    assert len(row.image_hashes) == 1
    assert int(row.token_types.sum()) == 4


def test_rows_from_before_there_were_videos_have_none(tmp_path):
    made, _, shown = video_row(2)
    write_rows(tmp_path, "train", [made])
    assert RowShards(tmp_path, "train")[0].video_frames == tuple(tuple(frames) for frames in made.videos)
    assert RowShards(tmp_path, "train")[0].video_grid.tolist() == [[2, 4, 6]]
    assert len(made.videos[0]) == len(shown) == 3
    plain, _ = sample_row(2)
    write_rows(tmp_path, "train", [plain], videos=False)
    row = RowShards(tmp_path, "train")[0]
    assert row.video_frames == () and row.video_grid.shape == (0, 3)


def test_damage_is_named(tmp_path):
    with pytest.raises(UserError) as error:
        RowShards(tmp_path, "train")
    assert error.value.code == "shards-missing"
    write_shards(tmp_path, train=2, heldout=1)
    path = next(tmp_path.glob("rows/train-*.arrow"))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UserError, match=path.name) as error:
        RowShards(tmp_path, "train")
    assert error.value.code == "shards-damaged"


def test_lengths_are_int64(tmp_path):
    write_shards(tmp_path, train=2, heldout=1)
    assert RowShards(tmp_path, "train").lengths.dtype == np.int64


#: Written by the version of 28 November 2026, before rows and images had folders of their own; never made again.
OLD_SHARDS = Path(__file__).parents[2] / "stages" / "shard" / "old_shards"


def test_shards_of_the_older_layout_are_read():
    train, heldout = RowShards(OLD_SHARDS, "train"), RowShards(OLD_SHARDS, "heldout")
    assert sorted(row.dialogue_id for row in (*train, *heldout)) == ["d1", "d2", "d3", "d4", "d5"]
    assert (len(train), len(heldout), len(train.files)) == (3, 2, 2)
    images = ImageShards(OLD_SHARDS)
    for row in (*train, *heldout):
        assert int((row.token_types == 1).sum()) == int(row.image_grid.prod(axis=1).sum()) // 4
        for name in row.image_hashes:
            assert images.size(name) == (192, 320)
            assert hashlib.sha256(images.png(name)).hexdigest() == name


@pytest.mark.parametrize("older", [False, True])
def test_any_changed_byte_of_a_listed_file_is_named(tmp_path, older):
    if older:
        shutil.copytree(OLD_SHARDS, tmp_path / "shards")
        directory = tmp_path / "shards"
    else:
        directory = write_shards(tmp_path / "shards", train=4, heldout=2)
        files = sorted(directory.rglob("*.arrow"))
        listed = [
            {
                "path": path.relative_to(directory).as_posix(),
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in files
        ]
        (directory / "manifest.json").write_text(json.dumps({"files": listed}))
    path = RowShards(directory, "train").files[0]
    whole = path.read_bytes()
    for at in (0, len(whole) // 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(UserError, match=path.name) as error:
            RowShards(directory, "train")
        assert error.value.code == "shards-damaged"
    path.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=f"has {len(whole) - 1} bytes, the manifest says {len(whole)}"):
        RowShards(directory, "train")
    path.write_bytes(whole)
    assert len(RowShards(directory, "train")) == (3 if older else 4)


def test_a_missing_file_of_several_is_named(tmp_path):
    write_rows(tmp_path, "train", [sample_row(seed, images=False)[0] for seed in range(6)], files=3)
    RowShards(tmp_path, "train").files[1].unlink()
    with pytest.raises(UserError, match="2 of 3 files") as error:
        RowShards(tmp_path, "train")
    assert error.value.code == "shards-damaged"


def test_a_picture_with_other_bytes_is_named(tmp_path):
    (name,) = write_images(tmp_path, [png_of(5)])
    path = next(tmp_path.glob("images/*.arrow"))
    data = path.read_bytes()
    at = data.index(b"IDAT") + 40
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(UserError, match=name) as error:
        ImageShards(tmp_path).png(name)
    assert error.value.code == "image-damaged"
