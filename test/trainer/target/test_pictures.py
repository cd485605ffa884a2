"""Rows' pixel values through the workers equal the plain reader's, whatever has to be done by the processor."""

import dataclasses

import numpy as np
import pytest
import torch
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.data.images import PixelReader
from draftsmith_trainer.data.pictures.workers import PictureWorkers
from draftsmith_trainer.data.shards import ImageShards, RowShards
from draftsmith_trainer.target import capture_row, load_target, read_spec
from draftsmith_trainer.target.pictures import PictureSource
from sample import sample_row, video_row
from shard_maker import png_of, write_images, write_rows
from target_maker import MODEL_TYPES


@pytest.fixture
def shards(tmp_path):
    """Rows whose pictures fit, one with a resampled picture, one with a video, one without, one that shares its own."""
    rows, pngs = [], []
    for seed in range(3):
        row, pictures = sample_row(seed, turns=2)
        row.images = write_images(tmp_path, pictures)
        pngs += pictures
        rows.append(row)
    odd = [png_of(50, 60, 70), png_of(51)]
    row, _ = sample_row(3, turns=2)
    row.images = write_images(tmp_path, odd)
    rows.append(row)
    film, pictures, shown = video_row(4)
    rows += [film, sample_row(5, images=False)[0]]
    shared, _ = sample_row(6, turns=2)
    shared.images = rows[0].images
    rows.append(shared)
    write_images(tmp_path, [*pngs, *odd, *pictures, *shown])
    write_rows(tmp_path, "train", rows)
    return tmp_path


def source_of(target, shards, workers, device="cpu", memory_mb=1):
    images = ImageShards(shards)
    return PictureSource(PixelReader(target, images), PictureWorkers(images, workers, memory_mb), device)


def same(made, wanted):
    if wanted[0] is None:
        return made == wanted == (None, None)
    return all(torch.equal(a.cpu(), b) for a, b in zip(made, wanted, strict=True))


@pytest.mark.parametrize("kind", MODEL_TYPES)
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("announced", [False, True])
def test_rows_equal_the_plain_reader(kind, workers, announced, target_dirs, shards):
    rows = list(RowShards(shards, "train"))
    reader = PixelReader(target_dirs[kind], ImageShards(shards))
    with source_of(target_dirs[kind], shards, workers) as source:
        for number, row in enumerate(rows):
            if announced and number % 3 == 0:
                source.expect(name for one in rows[number : number + 3] for name in one.image_hashes)
            assert same(source.pixels(row), reader.pixels(row)), number
            assert same(source.videos(row), reader.videos(row)), number
        assert not source._coming and not source._processed and not source._workers._orders.wanted


def shown(rows):
    """The pictures of rows, each once, and their grids."""
    found = {
        name: tuple(grid) for row in rows for name, grid in zip(row.image_hashes, row.image_grid.tolist(), strict=True)
    }
    return list(found), list(found.values())


@pytest.mark.parametrize("workers", [0, 2])
def test_pictures_of_a_pack_by_hash(workers, target_dirs, shards):
    rows = list(RowShards(shards, "train"))
    reader = PixelReader(target_dirs["qwen3_vl"], ImageShards(shards))
    names, grids = shown(rows)
    wanted = torch.cat([reader.pixels(row)[0] for row in rows[:5]])
    assert len(names) == 9, "the last row's pictures are the first one's"
    with source_of(target_dirs["qwen3_vl"], shards, workers) as source:
        source.expect(names)
        source.expect(names[:3])
        assert torch.equal(source.values(names, grids), wanted)
        assert torch.equal(source.values(names[:3], grids[:3], torch.bfloat16), wanted[:48].bfloat16())
        assert not source._coming and not source._processed and not source._workers._orders.wanted
        assert torch.equal(source.values(names, grids, torch.bfloat16), wanted.bfloat16())
        assert torch.equal(reader.values(names, grids, torch.bfloat16), wanted.bfloat16())
        source.expect(names)
        source.forget(names)
        assert not source._coming and not source._processed


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("announced", [False, True])
def test_errors_are_the_plain_readers(workers, announced, target_dirs, shards):
    rows = list(RowShards(shards, "train"))
    wrong = np.array([1, 2, 1], np.int32)
    bad = [
        (dataclasses.replace(rows[0], image_grid=rows[0].image_grid * wrong), "image-grid"),
        (dataclasses.replace(rows[1], image_hashes=("0" * 64, rows[1].image_hashes[1])), "image-missing"),
        (dataclasses.replace(rows[3], image_grid=rows[3].image_grid * wrong), "image-grid"),
    ]
    film = dataclasses.replace(rows[4], video_grid=rows[4].video_grid * wrong)
    plain = PixelReader(target_dirs["qwen3_vl"], ImageShards(shards))
    with source_of(target_dirs["qwen3_vl"], shards, workers) as source:
        for row, code in bad:
            if announced:
                source.expect(row.image_hashes)
            with pytest.raises(UserError) as error:
                source.pixels(row)
            with pytest.raises(UserError) as wanted:
                plain.pixels(row)
            assert error.value.code == code and error.value.message == wanted.value.message
        with pytest.raises(UserError) as error:
            source.videos(film)
        assert error.value.code == "video-grid"
        names, grids = shown(rows[:1])
        for one in (source, plain):
            with pytest.raises(UserError, match=f"image {names[1]}.*produces grid .1, 4, 4., its row has .1, 4, 8."):
                one.values(names, [grids[0], (1, 4, 8)])
        assert same(source.pixels(rows[2]), plain.pixels(rows[2]))
        assert not source._coming and not source._workers._orders.wanted


def test_states_are_the_same_from_either(target_dirs, shards):
    rows = list(RowShards(shards, "train"))
    directory = target_dirs["qwen3_vl"]
    target = load_target(read_spec(directory), (3, 4), torch.float32)
    plain = PixelReader(directory, ImageShards(shards))
    with source_of(directory, shards, 2) as pixels:
        for row in rows:
            ids, types = (torch.from_numpy(part.astype("int64")) for part in (row.input_ids, row.token_types))
            made, wanted = (
                capture_row(target, ids, types, *one.pixels(row), *one.videos(row)).states for one in (pixels, plain)
            )
            assert torch.equal(made, wanted)


@pytest.mark.cuda
def test_rows_equal_the_plain_reader_on_a_device(target_dirs, shards):
    rows = list(RowShards(shards, "train"))
    reader = PixelReader(target_dirs["qwen3_vl"], ImageShards(shards))
    with source_of(target_dirs["qwen3_vl"], shards, 2, "cuda") as source:
        assert source._workers.pinned
        for row in rows:
            source.expect(row.image_hashes)
            assert same(source.pixels(row), reader.pixels(row)) and same(source.videos(row), reader.videos(row))
        names, grids = shown(rows[:3])
        source.expect(names)
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            made = source.values(names, grids, torch.bfloat16)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert torch.equal(made.cpu(), torch.cat([reader.pixels(row)[0] for row in rows[:3]]).bfloat16())
