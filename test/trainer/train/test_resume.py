"""A run that is killed and started again ends in the same bytes as one that was left alone."""

import io
import json
import os
import signal

import pytest
from draftsmith_trainer.base.errors import Interrupted
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.jobs.train import run
from draftsmith_trainer.measure.measurer import Measurer
from job_runner import Run, run_job, tree, write_job
from sample import write_shards

OPTIONS = {
    "draft": {"layers": 2, "blockSize": 4, "intermediateSize": 96, "maskTokenId": 510},
    "epochs": 6,
    "batchSize": 2,
    "anchors": 4,
    "lr": 0.003,
    "evalEvery": 5,
    "checkpointEvery": 4,
    "device": "cpu",
    "threads": 1,
}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), train=10, heldout=3, turns=2)


def job_in(root, target, shards, **options):
    work, resume = root / "work", root / "resume"
    work.mkdir(parents=True, exist_ok=True)
    return write_job(
        root / "job.json", target=target, shards=shards, workDir=work, resumeDir=resume, options={**OPTIONS, **options}
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, target_dirs, shards):
    root = tmp_path_factory.mktemp("undisturbed")
    events = run_job("train", job_in(root, target_dirs["qwen3_vl"], shards))
    return tree(root / "work"), events


def test_artifact_is_complete(undisturbed):
    files, events = undisturbed
    result = events[-1]
    assert result["type"] == "result" and result["facts"]["steps"] == 30
    assert result["counts"]["read"] == result["counts"]["kept"] == 10
    best = json.loads(files["best.json"])
    for name in (best["path"], best["last"]["path"], "untrained"):
        assert f"{name}/config.json" in files and f"{name}/model.safetensors" in files
    lines = [json.loads(line) for line in files["metrics.jsonl"].splitlines()]
    assert [line["step"] for line in lines if "eval" in line] == [0, 5, 10, 15, 20, 25, 30]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0]
    values = [line["eval"]["pooledAcceptLength"] for line in lines if "eval" in line and line["step"]]
    assert best["value"] == max(values) == result["facts"]["best"]["pooledAcceptLength"]


def test_same_job_same_bytes(tmp_path, target_dirs, shards, undisturbed):
    run_job("train", job_in(tmp_path, target_dirs["qwen3_vl"], shards, stateCacheMb=0))
    assert tree(tmp_path / "work") == undisturbed[0]


@pytest.mark.parametrize("steps", [(3, 11), (14, 22, 27)])
def test_killed_again_and_again(tmp_path, target_dirs, shards, undisturbed, steps):
    job = job_in(tmp_path, target_dirs["qwen3_vl"], shards)
    for step in steps:
        run = Run("train", job)
        run.until_step(step)
        run.process.kill()
        assert run.wait() == -signal.SIGKILL
    events = run_job("train", job)
    assert any("resuming at step" in event.get("message", "") for event in events)
    assert tree(tmp_path / "work") == undisturbed[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_saves_and_goes_on(tmp_path, target_dirs, shards, undisturbed, number):
    job = job_in(tmp_path, target_dirs["qwen3_vl"], shards, checkpointEvery=1000)
    run = Run("train", job)
    run.until_step(7)
    os.kill(run.process.pid, number)
    assert run.wait() == 130
    events = run.events()
    assert "the state is saved" in events[-1]["message"]
    assert not any(event["type"] == "result" for event in events)
    events = run_job("train", job)
    assert tree(tmp_path / "work") == undisturbed[0]


@pytest.mark.parametrize("passes", [1, 5], ids=["untrained", "after-training"])
def test_a_stop_amid_an_evaluation_changes_nothing(tmp_path, target_dirs, shards, undisturbed, monkeypatch, passes):
    # An evaluation has 3 passes here: the first stop comes amid the untrained one, the second amid the next.
    job = job_in(tmp_path, target_dirs["qwen3_vl"], shards)
    walks, count = Measurer.walks, 0

    def interrupted(self, work, states):
        nonlocal count
        count += 1
        if count == passes:
            os.kill(os.getpid(), signal.SIGTERM)
        return walks(self, work, states)

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Measurer, "walks", interrupted)
        run(job, Events(io.StringIO()))
    assert count == passes, "the pass that was running is finished, no other begun"
    states = [path.name for path in (tmp_path / "resume").glob("state-*")]
    assert states == ([] if passes == 1 else ["state-00000005"])
    run_job("train", job)
    assert tree(tmp_path / "work") == undisturbed[0]
