"""Pixels come from the checkpoint's own processor, and a grid that differs from the row's is an error."""

import dataclasses

import numpy as np
import pytest
import torch
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.data.images import PixelReader
from draftsmith_trainer.data.shards import ImageShards, RowShards
from sample import video_row, write_shards
from shard_maker import write_images, write_rows
from target_maker import MODEL_TYPES


@pytest.fixture
def row(tmp_path):
    return RowShards(write_shards(tmp_path, train=1, heldout=1, turns=2), "train")[0]


def test_pixels_are_the_normalised_picture(row, target_dirs, tmp_path):
    import io

    from PIL import Image

    pixels, grid = PixelReader(target_dirs["qwen3_vl"], ImageShards(tmp_path)).pixels(row)
    assert grid.tolist() == [[1, 4, 4], [1, 4, 4]]
    assert pixels.shape == (32, 3 * 2 * 16 * 16) and pixels.dtype == torch.float32
    picture = np.asarray(Image.open(io.BytesIO(ImageShards(tmp_path).png(row.image_hashes[0]))), np.float32)
    corner = pixels[0].view(3, 2, 16, 16)[:, 0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(corner, picture[:16, :16] / 127.5 - 1, atol=1e-5)


def test_other_grid_is_refused(row, target_dirs, tmp_path):
    wrong = dataclasses.replace(row, image_grid=row.image_grid * np.array([1, 2, 1]))
    with pytest.raises(UserError, match="dialogue-0/0") as error:
        PixelReader(target_dirs["qwen3_vl"], ImageShards(tmp_path)).pixels(wrong)
    assert error.value.code == "image-grid"


@pytest.mark.parametrize("kind", MODEL_TYPES)
@pytest.mark.parametrize("frames", [2, 3])
def test_videos_are_all_their_frames_in_order(kind, frames, target_dirs, tmp_path):
    import io

    from PIL import Image

    made, pngs, shown = video_row(4, frames)
    write_images(tmp_path, [*pngs, *shown])
    write_rows(tmp_path, "train", [made])
    row = RowShards(tmp_path, "train")[0]
    reader = PixelReader(target_dirs[kind], ImageShards(tmp_path))
    values, grid = reader.videos(row)
    assert grid.tolist() == [[(frames + 1) // 2, 4, 6]]
    assert values.shape == (24 * ((frames + 1) // 2), 3 * 2 * 16 * 16) and values.dtype == torch.float32
    last = np.asarray(Image.open(io.BytesIO(shown[-1])), np.float32)
    corner = values[-24].view(3, 2, 16, 16)
    np.testing.assert_allclose(corner[:, 1].permute(1, 2, 0).numpy(), last[:16, :16] / 127.5 - 1, atol=1e-5)
    # The last of an odd number fills its patch alone.
    assert torch.equal(corner[:, 0], corner[:, 1]) == (frames == 3)

    wrong = dataclasses.replace(row, video_grid=row.video_grid * np.array([2, 1, 1]))
    with pytest.raises(UserError, match="dialogue-4/0") as error:
        reader.videos(wrong)
    assert error.value.code == "video-grid"
    assert reader.videos(dataclasses.replace(row, video_frames=())) == (None, None)


def test_truncated_png_is_refused(row, target_dirs, tmp_path):
    cut = b"\x89PNG\r\n\x1a\n" + b"nothing"
    with pytest.raises(Exception):  # noqa: B017 - the maker itself cannot read it either
        write_images(tmp_path, [cut])
    reader = PixelReader(target_dirs["qwen3_vl"], ImageShards(tmp_path))
    whole = reader.images.png(row.image_hashes[0])
    reader.images.png = lambda _name: whole[: len(whole) // 2]
    with pytest.raises(UserError) as error:
        reader.pixels(row)
    assert error.value.code == "image-damaged"
