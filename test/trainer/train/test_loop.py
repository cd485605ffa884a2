"""Early stop, time budget, warm start and the lock: short jobs in this process."""

import fcntl
import io
import json

import pytest
import torch
from draft_maker import lively_draft
from draftsmith_trainer.algorithms.store import load_draft, save_draft
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.base.lock import hold
from draftsmith_trainer.jobs.train import run
from job_runner import job_in
from sample import write_shards

OPTIONS = {
    "draft": {"layers": 1, "blockSize": 4, "intermediateSize": 64, "maskTokenId": 510},
    "epochs": 4,
    "anchors": 4,
    "lr": 0.002,
    "device": "cpu",
    "threads": 1,
}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), train=6, heldout=2)


def train(root, target, shards, **options):
    job = job_in(root, target, shards, {**OPTIONS, **options})
    out = io.StringIO()
    run(job, Events(out))
    return json.loads(out.getvalue().splitlines()[-1])["facts"]


def test_early_stop_ends_at_the_best(tmp_path, target_dirs, shards):
    # A rate this small changes no choice of the draft, so every evaluation equals the first.
    facts = train(tmp_path, target_dirs["qwen3_vl"], shards, lr=1e-9, evalEvery=2, earlyStopPatience=2)
    assert facts["stopped"] == "early-stop"
    assert facts["steps"] == 6 and facts["best"]["step"] == 2
    assert sorted(p.name for p in (tmp_path / "work" / "checkpoints").iterdir()) == ["step-00000002", "step-00000006"]
    assert sorted(p.name for p in (tmp_path / "resume" / "checkpoints").iterdir()) == ["step-00000002", "step-00000006"]
    again = train(tmp_path, target_dirs["qwen3_vl"], shards, lr=1e-9, evalEvery=2, earlyStopPatience=2)
    assert again == facts, "a finished run that is started again has nothing to do"


def test_time_budget_ends_normally(tmp_path, target_dirs, shards):
    facts = train(tmp_path, target_dirs["qwen3_vl"], shards, maxMinutes=1e-6, epochs=50)
    assert facts["stopped"] == "time-budget" and facts["steps"] < 150
    assert (tmp_path / "work" / facts["best"]["path"] / "model.safetensors").exists()


def test_no_heldout_rows(tmp_path, target_dirs):
    alone = write_shards(tmp_path / "alone", train=4, heldout=0)
    facts = train(tmp_path, target_dirs["qwen3_vl"], alone, maxSteps=4, evalEvery=2, earlyStopPatience=1)
    assert facts["steps"] == facts["best"]["step"] == 4


def test_warm_start(tmp_path, target_dirs, shards):
    target = target_dirs["qwen3_vl"]
    train(tmp_path / "a", target, shards, maxSteps=3)
    first = tmp_path / "a" / "work" / "checkpoints" / "step-00000003"
    train(tmp_path / "b", target, shards, maxSteps=1, initFrom=str(first), seed=5)
    begun = load_draft(tmp_path / "b" / "work" / "untrained").state_dict()
    assert all(torch.equal(tensor, begun[name]) for name, tensor in load_draft(first).state_dict().items())
    other = lively_draft(load_draft(first).config.__class__(**{**vars(load_draft(first).config), "block_size": 6}))
    save_draft(other, tmp_path / "other")
    with pytest.raises(UserError, match="blockSize 6 instead of 4") as error:
        train(tmp_path / "c", target, shards, initFrom=str(tmp_path / "other"))
    assert error.value.code == "init-from"


@pytest.mark.parametrize("kind", ["qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"])
def test_other_targets_and_rotary_modes(tmp_path, target_dirs, shards, kind):
    rotary = {"qwen3_vl_moe": "mrope", "qwen3_5": "partial", "qwen3_5_moe": "mrope"}[kind]
    facts = train(tmp_path, target_dirs[kind], shards, maxSteps=2, draft={**OPTIONS["draft"], "rotary": rotary})
    assert facts["draft"]["num_target_layers"] == 8
    assert load_draft(tmp_path / "work" / facts["best"]["path"]).config.rotary == rotary


def test_lock(tmp_path):
    out = io.StringIO()
    with hold(tmp_path, Events(out)), (tmp_path / ".lock").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (tmp_path / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError) as error, hold(tmp_path, Events(out), patience=0.2):
            raise AssertionError("two trainers at once")
    assert error.value.code == "trainer-busy"
    assert out.getvalue().count("waiting for another trainer") == 1
