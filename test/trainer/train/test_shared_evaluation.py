"""Evaluation over ranks: no time-out of a collective ends it, and the figures are those of one rank."""

import json

import ranks_at_work
from job_runner import run_job, tree, write_job
from rank_processes import on_ranks
from sample import write_shards

OPTIONS = {
    "draft": {"layers": 1, "blockSize": 4, "intermediateSize": 64, "maskTokenId": 510},
    "maxSteps": 1,
    "anchors": 4,
    "lr": 1e-9,
    "device": "cpu",
    "threads": 1,
}


def job(root, target, shards, **options):
    (root / "work").mkdir(parents=True)
    return write_job(
        root / "job.json",
        target=target,
        shards=shards,
        workDir=root / "work",
        resumeDir=root / "resume",
        options={**OPTIONS, **options},
    )


def evaluations(root):
    lines = (root / "work" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["eval"] for line in lines if "eval" in line]


def test_a_slow_rank_is_waited_for(tmp_path, target_dirs):
    shards = write_shards(tmp_path / "shards", train=4, heldout=5, turns=2)
    target = target_dirs["qwen3_vl"]
    two = job(tmp_path / "two", target, shards, batchSize=2)
    on_ranks(ranks_at_work.train_with_a_slow_evaluation, 2, [str(two), str(two)], 6.0)
    run_job("train", job(tmp_path / "one", target, shards, batchSize=4))
    assert evaluations(tmp_path / "two") == evaluations(tmp_path / "one")
    assert len(evaluations(tmp_path / "one")) == 2 and evaluations(tmp_path / "one")[0]["steps"] > 5


def test_all_ranks_stop_when_one_is_asked_to(tmp_path, target_dirs):
    shards = write_shards(tmp_path / "shards", train=4, heldout=12)
    target = target_dirs["qwen3_vl"]
    two = job(tmp_path / "two", target, shards, batchSize=2)
    (first, passes), (second, passes_1) = on_ranks(ranks_at_work.train_and_stop_rank_1, 2, [str(two), str(two)])
    assert (first, second) == ("stopped", "stopped")
    assert passes_1 == 1 and passes < 6, "nobody finishes the evaluation"
    run_job("train", two, 2)
    run_job("train", job(tmp_path / "whole", target, shards, batchSize=2), 2)
    assert tree(tmp_path / "two" / "work") == tree(tmp_path / "whole" / "work")
