"""A target spread over the ranks gives what a whole one on each gives, however unevenly rows fall."""

import pytest
import ranks_at_work
from job_runner import write_job
from rank_processes import on_ranks
from sample import sample_row
from shard_maker import write_images, write_rows

OPTIONS = {
    "draft": {"layers": 1, "blockSize": 4, "intermediateSize": 64, "maskTokenId": 510},
    "epochs": 2,
    "batchSize": 2,
    "anchors": 5,
    "lr": 0.002,
    "evalEvery": 2,
    "packTokens": 128,
    "stateCacheMb": 0,
    "device": "cpu",
    "threads": 1,
}


def uneven_shards(directory):
    """Rows of 1 to 8 turns, with and without pictures: one long row weighs as much as three short ones.

    With 5 training rows and 4 a step, the last step of an epoch leaves a rank without rows.
    """
    pngs: list[bytes] = []
    for split, shapes in (
        ("train", [(8, True), (1, True), (1, False), (1, True), (2, False)]),
        ("heldout", [(6, True), (1, False), (1, True)]),
    ):
        rows = []
        for number, (turns, images) in enumerate(shapes):
            row, shown = sample_row(100 * len(split) + number, turns=turns, images=images)
            row.images = write_images(directory, shown) if shown else []
            rows.append(row)
            pngs += shown
        write_rows(directory, split, rows)
    write_images(directory, pngs)
    return directory


@pytest.mark.parametrize(
    ("kind", "packed", "soft"),
    [
        ("qwen3_vl", False, None),
        ("qwen3_vl", True, None),
        ("qwen3_vl_moe", False, 0.5),
        ("qwen3_vl_moe", True, None),
        ("qwen3_vl_moe", True, 0.5),
    ],
)
def test_sharded_equals_whole(tmp_path, target_dirs, kind, packed, soft):
    shards = uneven_shards(tmp_path / "shards")
    found = {}
    for sharded in (False, True):
        root = tmp_path / str(sharded)
        (root / "work").mkdir(parents=True)
        job = write_job(
            root / "job.json",
            target=target_dirs[kind],
            shards=shards,
            workDir=root / "work",
            resumeDir=root / "resume",
            options={**OPTIONS, "shardTarget": sharded, "softLabels": soft},
        )
        found[sharded] = on_ranks(ranks_at_work.losses_of, 2, [str(job), str(job)], packed)
    (losses, accepts, whole, _), _ = found[False]
    (others, other_accepts, first, idle_0), (_, _, second, idle_1) = found[True]
    assert len(losses) == 4 and losses[-1] != losses[0]
    assert others == pytest.approx(losses, rel=1e-6)
    assert other_accepts == accepts and len(accepts) == 3
    assert first + second == whole and first < 0.6 * whole, "each rank holds its share only"
    assert idle_0 + idle_1 > 0, "the rows were meant to fall unevenly"
