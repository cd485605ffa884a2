"""A pack's captured states are those of its rows alone."""

import numpy as np
import pytest
import torch
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.data.images import PixelReader
from draftsmith_trainer.data.shards import ImageShards, RowShards
from draftsmith_trainer.target import capture_row, load_target, read_spec
from draftsmith_trainer.target.pack import make_pack, plan_packs
from draftsmith_trainer.target.packed import PackedTarget
from hypothesis import given
from hypothesis import strategies as st
from releases import NEEDS_TOWER_INPUTS
from sample import sample_row
from shard_maker import png_of, write_images, write_rows
from target_maker import IMAGE, MODEL_TYPES

LAYERS = (3, 4)


@pytest.fixture
def rows(tmp_path):
    """Rows of one, two and no pictures, of two sizes; the first two share a picture."""
    made, pngs = [], []
    for seed, turns, images in ((1, 1, True), (2, 2, True), (3, 1, False), (4, 3, True)):
        row, shown = sample_row(seed, turns=turns, images=images)
        names = write_images(tmp_path / f"seed-{seed}", shown) if shown else []
        row.images, pngs = names, [*pngs, *shown]
        made.append(row)
    made[1].images[0] = made[0].images[0]
    wide = png_of(77, 128, 64)
    pngs.append(wide)
    grid = (1, 4, 8)
    at = made[3].ids.index(IMAGE)
    made[3].ids[at : at + 4] = [IMAGE] * 8
    made[3].spans = [(start + 4, end + 4) for start, end in made[3].spans]
    made[3].grids[0] = grid
    made[3].images[0] = write_images(tmp_path / "wide", [wide])[0]
    write_images(tmp_path, pngs)
    write_rows(tmp_path, "train", made)
    return list(RowShards(tmp_path, "train")), ImageShards(tmp_path)


def packed(target, reader, rows):
    inner = target.model.model
    positions = [rope(inner, row) for row in rows]
    pack = make_pack(rows, positions, target.spec)
    runner = PackedTarget(target, compile_=False)
    pixels = reader.values(pack.hashes, pack.grids) if pack.hashes else None
    return pack, runner.capture(pack, pixels, room=5)


def rope(inner, row):
    ids, types = (torch.from_numpy(x.astype("int64"))[None] for x in (row.input_ids, row.token_types))
    grid = torch.from_numpy(row.image_grid.astype("int64")) if len(row.image_grid) else None
    return inner.get_rope_index(ids, types, image_grid_thw=grid)[0][:, 0]


@NEEDS_TOWER_INPUTS
@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_packed_states_equal_those_of_rows_alone(kind, target_dirs, rows):
    made, images = rows
    reader = PixelReader(target_dirs[kind], images)
    target = load_target(read_spec(target_dirs[kind]), LAYERS, torch.float32)
    alone = []
    for row in made:
        ids, types = (torch.from_numpy(x.astype("int64")) for x in (row.input_ids, row.token_types))
        alone.append(capture_row(target, ids, types, *reader.pixels(row)).states)
    pack, states = packed(target, reader, made)
    assert states.shape == (pack.tokens + 5, alone[0].shape[1])
    assert not states[pack.tokens :].any()
    assert len(pack.hashes) < sum(len(row.image_hashes) for row in made)
    torch.testing.assert_close(states[: pack.tokens], torch.cat(alone), rtol=1e-5, atol=1e-5)


@NEEDS_TOWER_INPUTS
@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_other_rows_keep_their_bits_when_one_row_changes(kind, target_dirs, rows):
    made, images = rows
    reader = PixelReader(target_dirs[kind], images)
    target = load_target(read_spec(target_dirs[kind]), LAYERS, torch.float32)
    pack, before = packed(target, reader, made)
    changed = made[1].input_ids.copy()
    text = np.flatnonzero(made[1].token_types == 0)
    changed[text] = (changed[text] + 7) % 400
    other = [made[0], type(made[1])(**{**vars(made[1]), "input_ids": changed}), *made[2:]]
    _, after = packed(target, reader, other)
    start, end = pack.starts[1:3]
    assert torch.equal(before[:start], after[:start])
    assert torch.equal(before[end:], after[end:])
    assert not torch.equal(before[start:end], after[start:end])


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 120))
def test_plans_hold_every_row_once_within_the_budget(lengths, budget):
    plan = plan_packs(lengths, budget)
    assert sorted(i for pack in plan for i in pack) == list(range(len(lengths)))
    for pack in plan:
        assert len(pack) == 1 or sum(lengths[i] for i in pack) <= budget
    assert plan == plan_packs(lengths, budget)


def test_placeholders_must_fit_the_pictures(target_dirs, rows):
    made, _ = rows
    spec = read_spec(target_dirs["qwen3_vl"])
    ids = made[0].input_ids.copy()
    ids[0] = spec.image_token_id
    broken = type(made[0])(**{**vars(made[0]), "input_ids": ids})
    with pytest.raises(UserError, match="5 image tokens, its images need 4"):
        make_pack([broken], [torch.zeros(3, len(ids), dtype=torch.int64)], spec)
