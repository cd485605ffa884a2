"""The tensor form of the image processor gives its values bit for bit, or says that it does not apply."""

import json

import numpy as np
import pytest
import torch
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.data.images import load_image_processor
from draftsmith_trainer.target.pixels import PixelPrep
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from target_maker import MODEL_TYPES


def settings(**changes):
    made = {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "patch_size": 16,
        "merge_size": 2,
        "temporal_patch_size": 2,
        "size": {"shortest_edge": 64 * 64, "longest_edge": 512 * 512},
    }
    return made | changes


def write(directory, **changes):
    (directory / "preprocessor_config.json").write_text(json.dumps(settings(**changes)))
    (directory / "config.json").write_text('{"model_type": "qwen3_vl"}')
    return directory


def picture(height, width, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def processed(processor, pictures):
    made = processor(images=[Image.fromarray(one.numpy()) for one in pictures], return_tensors="pt")
    return made["pixel_values"], [tuple(grid) for grid in made["image_grid_thw"].tolist()]


@pytest.mark.parametrize("kind", MODEL_TYPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_many_sizes_equal_the_processor(kind, dtype, target_dirs):
    prep, processor = PixelPrep.from_checkpoint(target_dirs[kind]), load_image_processor(target_dirs[kind])
    sizes = [(32 * h, 32 * w) for h in range(1, 17, 3) for w in (1, 2, 5, 16)] + [(64, 96)] * 3 + [(96, 64), (64, 96)]
    pictures = [picture(*size, seed) for seed, size in enumerate(sizes)]
    assert all(prep.fits(*size) for size in sizes)
    wanted, grids = processed(processor, pictures)
    assert [prep.grid(*size) for size in sizes] == grids
    made = prep.prepare(pictures, grids, dtype)
    assert made.dtype == dtype and torch.equal(made, wanted.to(dtype))


def test_pictures_of_one_size_in_one_tensor(target_dirs):
    prep, processor = (make(target_dirs["qwen3_5"]) for make in (PixelPrep.from_checkpoint, load_image_processor))
    pictures = torch.stack([picture(96, 160, seed) for seed in range(5)])
    wanted, grids = processed(processor, list(pictures))
    assert torch.equal(prep.prepare_equal(pictures), wanted)
    assert torch.equal(prep.prepare(list(pictures), grids), wanted)
    assert torch.equal(prep.prepare_equal(pictures, torch.bfloat16), wanted.bfloat16())


CHANGES = [
    {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]},
    {"patch_size": 14, "size": {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280}},
    {"temporal_patch_size": 1},
    {"temporal_patch_size": 3, "merge_size": 1},
    {"rescale_factor": 1 / 127.5},
    {"do_convert_rgb": False},
    {"do_resize": False},
]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda change: next(iter(change)))
def test_other_settings_are_followed(changes, tmp_path):
    write(tmp_path, **changes)
    prep, processor = PixelPrep.from_checkpoint(tmp_path), load_image_processor(tmp_path)
    factor = processor.patch_size * processor.merge_size
    pictures = [picture(4 * factor, 5 * factor), picture(6 * factor, 4 * factor, 1)]
    assert all(prep.fits(*one.shape[:2]) for one in pictures)
    wanted, grids = processed(processor, pictures)
    assert torch.equal(prep.prepare(pictures, grids), wanted)


@pytest.mark.parametrize("changes", [{"do_normalize": False}, {"do_rescale": False}])
def test_settings_that_it_does_not_know_are_left_to_the_processor(changes, tmp_path):
    prep = PixelPrep.from_checkpoint(write(tmp_path, **changes))
    assert not prep.fits(128, 128)


def test_a_processor_that_computes_otherwise_is_noticed(tmp_path):
    processor = load_image_processor(write(tmp_path))
    assert PixelPrep(processor).fits(128, 128)
    if not hasattr(processor, "patchify"):
        pytest.skip("the processor of this transformers has no step of this name to disturb")
    plain = processor.patchify
    processor.patchify = lambda *args, **kw: (plain(*args, **kw)[0].flip(-1), *plain(*args, **kw)[1:])
    assert not PixelPrep(processor).fits(128, 128)


@pytest.fixture(scope="module")
def tiny(target_dirs):
    """A target's processor and its tensor form."""
    processor = load_image_processor(target_dirs["qwen3_vl"])
    return processor, PixelPrep(processor)


@given(st.integers(1, 700), st.integers(1, 700))
def test_fits_says_whether_the_processor_keeps_the_size(tiny, height, width):
    processor, prep = tiny
    try:
        grid = processor(images=[Image.new("RGB", (width, height))], return_tensors="pt")["image_grid_thw"][0].tolist()
    except ValueError:
        assert not prep.fits(height, width)
        return
    assert prep.fits(height, width) == ((16 * grid[1], 16 * grid[2]) == (height, width))


def test_sizes_beyond_the_limits_do_not_fit(tmp_path):
    prep = PixelPrep.from_checkpoint(write(tmp_path))
    assert prep.fits(64, 64) and prep.fits(512, 512) and prep.fits(32, 128)
    assert not prep.fits(32, 32) and not prep.fits(544, 512) and not prep.fits(1088, 1920) and not prep.fits(80, 64)
    prep = PixelPrep.from_checkpoint(write(tmp_path, size={"shortest_edge": 65536, "longest_edge": 16777216}))
    assert prep.fits(1088, 1920) and prep.fits(704, 1280) and not prep.fits(1080, 1920)


def test_a_wrong_grid_is_refused(target_dirs):
    prep = PixelPrep.from_checkpoint(target_dirs["qwen3_vl"])
    with pytest.raises(ValueError, match="picture 1 of 96x64"):
        prep.prepare([picture(64, 64), picture(64, 96)], [(1, 4, 4), (1, 6, 4)])
    with pytest.raises(ValueError, match="picture 0 of 90x64"):
        prep.prepare([picture(64, 90)], [(1, 4, 6)])
    with pytest.raises(ValueError, match="resampled"):
        prep.prepare_equal(picture(64, 90)[None])


def test_a_checkpoint_without_a_processor(tmp_path):
    with pytest.raises(UserError) as error:
        PixelPrep.from_checkpoint(tmp_path)
    assert error.value.code == "target-processor"


@pytest.mark.cuda
def test_equal_on_a_device_and_without_waiting(target_dirs):
    prep, processor = (make(target_dirs["qwen3_vl"]) for make in (PixelPrep.from_checkpoint, load_image_processor))
    pictures = [picture(32 * (2 + n % 3), 160, n) for n in range(7)]
    wanted, grids = processed(processor, pictures)
    sent = [one.cuda() for one in pictures]
    prep.prepare(sent, grids)
    torch.cuda.set_sync_debug_mode("error")
    try:
        made = {dtype: prep.prepare(sent, grids, dtype) for dtype in (torch.float32, torch.bfloat16)}
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for dtype, values in made.items():
        assert torch.equal(values.cpu(), wanted.to(dtype))
