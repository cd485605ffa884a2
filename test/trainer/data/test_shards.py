"""Shards: rows and images come back as they were written, across files and batches; damage is named."""

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
    path = next(tmp_path.glob("train-*.arrow"))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UserError, match=path.name) as error:
        RowShards(tmp_path, "train")
    assert error.value.code == "shards-damaged"


def test_lengths_are_int64(tmp_path):
    write_shards(tmp_path, train=2, heldout=1)
    assert RowShards(tmp_path, "train").lengths.dtype == np.int64
