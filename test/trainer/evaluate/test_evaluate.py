"""The evaluate job, on rows that are the target's own greedy output: the walk equals a real loop, step for step."""

import pytest
import torch
from draft_maker import lively_draft, small_config
from draftsmith_trainer.algorithms.store import save_draft
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.data.shards import RowShards
from draftsmith_trainer.evaluate.compare import Comparison, LoopOutcome
from draftsmith_trainer.measure.measurer import ResponseWalk
from evaluate_job import evaluate, write_greedy_shards
from reference_server.decode.response_loop import images_before
from sample import sample_row, video_row
from shard_maker import write_images, write_rows
from target_maker import MODEL_TYPES


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_walk_equals_the_real_loop(tmp_path, target_dirs, kind):
    target = target_dirs[kind]
    write_greedy_shards(tmp_path / "shards", target)
    drafts = {"trained": tmp_path / "a", "untrained": tmp_path / "b"}
    save_draft(lively_draft(small_config()), drafts["trained"])
    save_draft(lively_draft(small_config(target_layer_ids=(1, 2, 5), block_size=3), 1), drafts["untrained"])
    names = ["trained", "untrained"]
    report, steps, result = evaluate(tmp_path, target, drafts, compareRows=None, compareDrafts=names)
    for name in names:
        compared, figures = report["comparison"][name], report["drafts"][name]
        assert compared["differences"] == []
        assert compared["responses"] == compared["equalOutputs"] == compared["equalSteps"] == 8
        assert compared["offlinePooled"] == compared["loopPooled"] == figures["pooledAcceptLength"]
        assert compared["steps"] == figures["steps"]
        lines = [line for line in steps if line["draft"] == name]
        assert len(lines) == 8 and sum(sum(line["accepted"]) for line in lines) == figures["correctDrafts"]
        assert figures["tokens"] == sum(line["end"] - line["start"] - 1 for line in lines)
    assert result["facts"]["stepsAgree"] and result["facts"]["outputsEqual"]
    assert result["counts"] == {"read": 4, "kept": 4, "rejected": {"too-long": 0}}
    assert [line["turn"] for line in steps[:2]] == [0, 1]


def test_latencies_are_measured_once_for_drafts_of_one_shape(tmp_path, target_dirs):
    write_rows(tmp_path / "shards", "heldout", [sample_row(seed, images=False)[0] for seed in range(2)])
    drafts = {name: tmp_path / name for name in ("trained", "untrained", "other")}
    save_draft(lively_draft(small_config()), drafts["trained"])
    save_draft(lively_draft(small_config(), 1), drafts["untrained"], torch.bfloat16)
    save_draft(lively_draft(small_config(block_size=6), 2), drafts["other"])
    options = {"compareRows": 0, "latencyConcurrency": [1, 3]}
    report, _, _ = evaluate(tmp_path, target_dirs["qwen3_vl"], drafts, **options)
    found = {one["draft"]: one for one in report["latencies"]}
    assert found["trained"]["points"] == found["untrained"]["points"] != found["other"]["points"]
    assert {one["source"] for one in found.values()} == {"reference decoder"}
    assert all([point["concurrency"] for point in one["points"]] == [1, 3] for one in found.values())
    bare, _, _ = evaluate(tmp_path, target_dirs["qwen3_vl"], drafts, compareRows=0)
    assert bare["latencies"] == []


def test_row_limits_and_foreign_drafts(tmp_path, target_dirs):
    write_rows(tmp_path / "shards", "heldout", [sample_row(seed, images=False)[0] for seed in range(3)])
    save_draft(lively_draft(small_config()), tmp_path / "a")
    report, _, _ = evaluate(tmp_path, target_dirs["qwen3_vl"], {"trained": tmp_path / "a"}, rows=2, compareRows=0)
    assert report["rows"]["kept"] == 2 and report["comparison"] == {}
    assert report["drafts"]["trained"]["aboveBreakEven"] is (report["drafts"]["trained"]["pooledAcceptLength"] >= 2.5)
    save_draft(lively_draft(small_config(num_target_layers=9)), tmp_path / "b")
    with pytest.raises(UserError) as error:
        evaluate(tmp_path, target_dirs["qwen3_vl"], {"trained": tmp_path / "b"})
    assert error.value.code == "draft-target"
    with pytest.raises(UserError) as error:
        evaluate(tmp_path, target_dirs["qwen3_vl"], {"trained": tmp_path / "a"}, maxLength=3)
    assert error.value.code == "no-rows"


def test_rows_with_videos_are_walked_and_not_put_to_the_loop(tmp_path, target_dirs):
    target = target_dirs["qwen3_vl"]
    write_greedy_shards(tmp_path / "shards", target, rows=1)
    plain, pngs = sample_row(100, turns=2)
    made, more, shown = video_row(6)
    plain.images = write_images(tmp_path / "shards", pngs)
    write_images(tmp_path / "shards", [*pngs, *more, *shown])
    write_rows(tmp_path / "shards", "heldout", [made, plain])
    save_draft(lively_draft(small_config()), tmp_path / "a")
    report, steps, _ = evaluate(tmp_path, target, {"trained": tmp_path / "a"}, compareRows=1)
    assert report["rowsWithVideos"] == 1
    assert [line["dialogueId"] for line in steps] == ["dialogue-6", "dialogue-100", "dialogue-100"]
    assert report["comparison"]["trained"]["rows"] == 1 and report["comparison"]["trained"]["responses"] == 2


def test_a_difference_is_reported(tmp_path):
    write_rows(tmp_path, "heldout", [sample_row(1, images=False)[0]])
    row = RowShards(tmp_path, "heldout")[0]
    start, end = row.spans[0]
    walk = ResponseWalk(row, 0, start, end, [1, 0, 2])
    wanted = row.input_ids[start:end].tolist()
    comparison = Comparison()
    comparison.add(walk, LoopOutcome(wanted, [1, 0, 2]))
    comparison.add(walk, LoopOutcome([*wanted[:4], 7, *wanted[5:]], [1, 1]))
    report = comparison.report(1)
    assert (report["responses"], report["equalSteps"], report["equalOutputs"]) == (2, 1, 1)
    assert report["differingSteps"] == 2
    assert report["differences"][0]["firstOtherToken"] == 4
    assert report["loopPooled"] == 1 + 5 / 5 and report["offlinePooled"] == 1 + 6 / 6


def test_images_before_a_response(tmp_path):
    row, pngs = sample_row(5, turns=3)
    row.images = write_images(tmp_path, pngs)
    write_rows(tmp_path, "heldout", [row])
    row = RowShards(tmp_path, "heldout")[0]
    grid = torch.tensor(row.image_grid)
    values = torch.arange(48)[:, None]
    for number, (start, _) in enumerate(row.spans):
        shown, grids = images_before(row, start, 2, values, grid)
        assert shown.shape[0] == 16 * (number + 1) and len(grids) == number + 1
    assert images_before(row, 2, 2, values, grid) == (None, None)
