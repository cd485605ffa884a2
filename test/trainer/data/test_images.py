"""Pixels come from the checkpoint's own processor, and a grid that differs from the row's is an error."""

import dataclasses

import numpy as np
import pytest
import torch
from draftsmith_trainer.data.images import PixelReader
from draftsmith_trainer.data.shards import ImageShards, RowShards
from draftsmith_trainer.errors import UserError
from sample import write_shards
from shard_maker import write_images


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


def test_truncated_png_is_refused(row, target_dirs, tmp_path):
    cut = b"\x89PNG\r\n\x1a\n" + b"nothing"
    with pytest.raises(Exception):  # noqa: B017 - the maker itself cannot read it either
        write_images(tmp_path, [cut])
    reader = PixelReader(target_dirs["qwen3_vl"], ImageShards(tmp_path))
    whole = reader._images.png(row.image_hashes[0])
    reader._images.png = lambda _name: whole[: len(whole) // 2]
    with pytest.raises(UserError) as error:
        reader.pixels(row)
    assert error.value.code == "image-damaged"
