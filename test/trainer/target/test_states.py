"""The state cache and batches: a remembered row equals a computed one, and padding changes nothing."""

import torch
from draft_maker import lively_draft, small_config
from draftsmith_trainer.data.blocks import context_length, draw_anchors, make_blocks
from draftsmith_trainer.data.images import PixelReader
from draftsmith_trainer.data.shards import ImageShards, RowShards
from draftsmith_trainer.draft.passes import run_blocks
from draftsmith_trainer.target import load_target, read_spec
from draftsmith_trainer.target.states import StateSource
from sample import write_shards


def open_source(directory, shards, budget=64):
    target = load_target(read_spec(directory), (3, 4), torch.float32)
    return target, StateSource(target, PixelReader(directory, ImageShards(shards)), budget)


def test_remembered_equals_computed(target_dirs, tmp_path):
    write_shards(tmp_path, train=4, heldout=2, turns=2)
    rows = list(RowShards(tmp_path, "train"))
    _, keeps = open_source(target_dirs["qwen3_vl"], tmp_path)
    _, forgets = open_source(target_dirs["qwen3_vl"], tmp_path, budget=0)
    for _ in range(2):
        for row in rows:
            assert torch.equal(keeps.row("train", row).states, forgets.row("train", row).states)
            assert keeps.row("train", row).states.shape == (context_length(row), 128)
    assert keeps.computed == len(rows) and forgets.computed == 2 * len(rows)
    assert keeps.used == sum(context_length(r) * 128 * 4 + 3 * 8 * len(r) for r in rows)
    keeps.row("heldout", rows[0])
    assert keeps.computed == len(rows) + 1, "splits must not be mixed up"


def test_budget_is_kept(target_dirs, tmp_path):
    write_shards(tmp_path, train=6, heldout=1, response=200)
    rows = list(RowShards(tmp_path, "train"))
    _, source = open_source(target_dirs["qwen3_vl"], tmp_path, budget=0)
    size = source.row("train", rows[0]).states.nbytes
    source._budget = int(2.5 * size)
    for _ in range(2):
        for row in rows:
            source.row("train", row)
    assert 0 < source.used <= source._budget


def test_batching_changes_no_block(target_dirs, tmp_path):
    write_shards(tmp_path, train=5, heldout=1, turns=2, response=9)
    rows = list(RowShards(tmp_path, "train"))
    assert len({len(row) for row in rows}) > 1
    target, source = open_source(target_dirs["qwen3_vl"], tmp_path)
    draft = lively_draft(small_config())
    embed = target.embed

    def blocks_of(group):
        drawn = [draw_anchors(row, 6, 0, 0) for row in group]
        blocks = make_blocks(group, drawn, 4, 510)
        states, positions = source.batch("train", group)
        with torch.no_grad():
            hidden = run_blocks(
                draft, draft.config, embed, states, positions, blocks.anchors, blocks.keep, blocks.ids, "split"
            )
        return [hidden[i, : len(anchors)] for i, anchors in enumerate(drawn)]

    together = blocks_of(rows)
    for row, wanted in zip(rows, together, strict=True):
        torch.testing.assert_close(blocks_of([row])[0], wanted, atol=1e-5, rtol=1e-5)
