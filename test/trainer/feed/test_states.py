"""The state cache: a remembered row equals a computed one, and the budget is kept."""

import numpy as np
import torch
from draft_maker import small_config
from draftsmith_trainer.data.blocks import context_length, draw_anchors
from draftsmith_trainer.data.shards import ImageShards, RowShards
from draftsmith_trainer.feed import Preparer, StateSource
from draftsmith_trainer.target import load_target, read_spec
from draftsmith_trainer.target.packed import PackedTarget
from draftsmith_trainer.target.pictures import open_pictures
from releases import NEEDS_TOWER_INPUTS
from sample import write_shards


def open_source(directory, shards, budget=64, packed=False):
    target = load_target(read_spec(directory), (3, 4), torch.float32)
    packer = PackedTarget(target, compile_=False) if packed else None
    return target, StateSource(target, open_pictures(directory, ImageShards(shards), target.device), budget, packer)


def test_remembered_equals_computed(target_dirs, tmp_path):
    write_shards(tmp_path, train=4, heldout=2, turns=2)
    rows = list(RowShards(tmp_path, "train"))
    _, keeps = open_source(target_dirs["qwen3_vl"], tmp_path)
    _, forgets = open_source(target_dirs["qwen3_vl"], tmp_path, budget=0)
    for _ in range(2):
        for row in rows:
            assert torch.equal(keeps.row("train", row), forgets.row("train", row))
            assert keeps.row("train", row).shape == (context_length(row), 128)
    assert keeps.computed == len(rows) and forgets.computed == 2 * len(rows)
    assert keeps.used == sum(context_length(r) * 128 * 4 for r in rows)
    keeps.row("heldout", rows[0])
    assert keeps.computed == len(rows) + 1, "splits must not be mixed up"


def test_budget_is_kept(target_dirs, tmp_path):
    write_shards(tmp_path, train=6, heldout=1, response=200)
    rows = list(RowShards(tmp_path, "train"))
    _, source = open_source(target_dirs["qwen3_vl"], tmp_path, budget=0)
    size = source.row("train", rows[0]).nbytes
    source._budget = int(2.5 * size)
    for _ in range(2):
        for row in rows:
            source.row("train", row)
    assert 0 < source.used <= source._budget


@NEEDS_TOWER_INPUTS
def test_packed_states_are_remembered_too(target_dirs, tmp_path):
    """A second visit finds every row of a pack in the cache, in whatever company it comes."""
    write_shards(tmp_path, train=5, heldout=1, turns=2)
    rows = list(RowShards(tmp_path, "train"))
    target, source = open_source(target_dirs["qwen3_vl"], tmp_path, packed=True)
    preparer = Preparer(target, small_config(), "split", packed=True, pack_tokens=10**6, draft_tokens=10**6)
    anchors = [draw_anchors(row, 6, 0, 0) for row in rows]
    (work,) = preparer.prepare(rows, anchors)
    first = source.states("train", work)
    assert source.computed == len(rows)
    (other,) = preparer.prepare(rows[1:3], anchors[1:3])
    again = source.states("train", other, room=3)
    assert source.computed == len(rows) and not again[other.tokens :].any()
    for row, start in zip(other.rows, other.starts, strict=True):
        whole = work.starts[[id(one) for one in work.rows].index(id(row))]
        length = context_length(row)
        assert torch.equal(again[start : start + length], first[whole : whole + length])
    assert np.array_equal(np.cumsum([0, *(len(row) for row in rows)])[:-1], work.starts)
