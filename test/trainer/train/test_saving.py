"""Saving beside training: drafts kept by rule, complete or absent, and nobody waits for the disk or for a slow rank."""

import threading
import time

import pytest
import ranks_at_work
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.train.checkpoints import KeepRule
from draftsmith_trainer.train.state import Progress, StateStore, saved_states
from draftsmith_trainer.train.writer import Writer
from hypothesis import given
from hypothesis import strategies as st
from job_runner import run_job, tree
from rank_processes import on_ranks
from sample import write_shards
from short_runs import losses, states, train, write


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), train=8, heldout=2)


@given(
    st.sets(st.integers(1, 60), min_size=1),
    st.integers(1, 6),
    st.none() | st.integers(1, 20),
    st.integers(0, 60),
    st.data(),
)
def test_the_rule_keeps_best_last_and_every(steps, last, every, now, data):
    past = sorted(step for step in steps if step <= now)
    best = data.draw(st.sampled_from(past)) if past else -1
    latest = past[-1] if past else -1
    progress = Progress(step=now, best_step=best, last_eval=latest)
    kept = KeepRule(last, every).kept(list(steps), progress)
    assert kept == sorted(set(kept)) and set(kept) <= set(past)
    assert set(past[-last:]) <= set(kept) and (not past or best in kept)
    assert all(step in kept for step in past if every and step % every == 0)
    allowed = {best, *past[-last:], *(step for step in past if every and step % every == 0)}
    assert set(kept) == allowed & set(past)


def test_drafts_are_kept_and_published_by_rule(tmp_path, target_dirs, shards):
    # A rate this small changes no choice of the draft: the first evaluation stays the best.
    options = {"lr": 1e-9, "evalEvery": 3, "maxSteps": 12, "keepLast": 2, "keepEvery": 4}
    train(write(tmp_path, target_dirs["qwen3_vl"], shards, **options))
    kept = [f"step-{step:08d}" for step in (3, 4, 8, 9, 12)]
    for place in ("resume", "work"):
        assert sorted(path.name for path in (tmp_path / place / "checkpoints").iterdir()) == kept
    assert states(tmp_path) == ["state-00000012"]


def test_a_state_and_the_draft_of_its_step_are_the_same_weights(tmp_path, target_dirs, shards):
    from safetensors.torch import load_file

    train(write(tmp_path, target_dirs["qwen3_vl"], shards, maxSteps=5, keepEvery=5))
    state = load_file(tmp_path / "resume" / "state-00000005" / "draft.safetensors")
    draft = load_file(tmp_path / "resume" / "checkpoints" / "step-00000005" / "model.safetensors")
    assert state.keys() == draft.keys() and all(state[name].equal(draft[name]) for name in state)


def test_jobs_of_a_writer_come_in_order_and_the_first_error_is_told():
    done = []

    def fail():
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), Writer() as writer:
        writer.submit(lambda: done.append(1))
        writer.submit(lambda: (time.sleep(0.05), done.append(2)))
        writer.wait()
        assert done == [1, 2]
        writer.submit(fail)
        writer.submit(lambda: done.append(3))
        writer.wait()
    assert done == [1, 2], "what comes after a failure would build on what is missing"


def test_a_writer_finishes_what_it_writes_when_the_run_fails():
    done, begun = [], threading.Event()

    def slow():
        begun.set()
        time.sleep(0.3)
        done.append(1)

    with pytest.raises(UserError), Writer() as writer:
        writer.submit(slow)
        begun.wait()
        raise UserError("no-rows", "the run failed")
    assert done == [1]


def test_a_full_disk_ends_the_run_soon(tmp_path, target_dirs, shards, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StateStore, "write", full)
    with pytest.raises(OSError, match="No space"):
        train(write(tmp_path, target_dirs["qwen3_vl"], shards, checkpointEvery=2, epochs=500))


def test_a_kill_while_a_state_is_replaced_leaves_one(tmp_path, target_dirs, shards):
    job = write(tmp_path, target_dirs["qwen3_vl"], shards, maxSteps=5)
    train(job)
    (saved,) = saved_states(tmp_path / "resume")
    # As after a kill in the middle: the new state has no name yet.
    fresh = tmp_path / "resume" / ".state-00000006.new"
    fresh.mkdir()
    (fresh / "draft.safetensors").write_bytes(b"half")
    assert [one.path for one in saved_states(tmp_path / "resume")] == [saved.path]
    train(job)


def test_training_goes_on_while_a_state_is_written(tmp_path, target_dirs, shards):
    job = str(write(tmp_path, target_dirs["qwen3_vl"], shards, checkpointEvery=3, epochs=3, evalEvery=11))
    run_job("train", write(tmp_path / "calm", target_dirs["qwen3_vl"], shards, epochs=3, evalEvery=11), 2)
    events, _ = on_ranks(ranks_at_work.train_slowly, 2, [job, job], 0, "write", 6.0)
    assert [event["done"] for event in events if event.get("unit") == "steps"][-1] == 6
    assert tree(tmp_path / "work") == tree(tmp_path / "calm" / "work")


@pytest.mark.parametrize("slow_rank", [0, 1])
@pytest.mark.parametrize(
    ("what", "options"),
    [
        ("copy", {"checkpointEvery": 2}),
        ("decode", {"stateCacheMb": 0}),
        ("decode", {"stateCacheMb": 0, "shardTarget": True}),
    ],
    ids=["copy", "decode", "decode-sharded"],
)
def test_no_collective_times_out_for_a_slow_rank(tmp_path, target_dirs, shards, what, options, slow_rank):
    if what == "copy" and slow_rank == 1:
        pytest.skip("only rank 0 copies a state")
    job = str(write(tmp_path, target_dirs["qwen3_vl"], shards, maxSteps=6, evalEvery=6, **options))
    events, _ = on_ranks(ranks_at_work.train_slowly, 2, [job, job], slow_rank, what, 6.0)
    assert events[-1]["type"] == "result" and events[-1]["facts"]["steps"] == 6


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_accumulated_batches_learn_what_a_large_batch_learns(tmp_path, target_dirs, shards, monkeypatch, schedule):
    from draftsmith_trainer.train import run_log

    monkeypatch.setattr(run_log, "LOG_EVERY", 1)
    target = target_dirs["qwen3_vl"]
    train(write(tmp_path / "large", target, shards, batchSize=4, schedule=schedule))
    train(write(tmp_path / "small", target, shards, batchSize=1, accumulate=4, schedule=schedule))
    (steps, large), (other_steps, small) = (zip(*losses(tmp_path / name), strict=True) for name in ("large", "small"))
    assert steps == other_steps and len(steps) == 8
    assert small == pytest.approx(large, rel=2e-6) and len(set(large)) == 8


@pytest.mark.parametrize(("epochs", "steps"), [(0.5, 2), (1.25, 5), (2, 8), (0.01, 1)])
def test_epochs_may_be_fractions(tmp_path, target_dirs, shards, epochs, steps):
    facts = train(write(tmp_path, target_dirs["qwen3_vl"], shards, epochs=epochs))[-1]["facts"]
    assert facts["steps"] == steps
