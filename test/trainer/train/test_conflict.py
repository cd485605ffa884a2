"""What a run continues: a state of other settings is named and refused, one of equal numbers is taken up."""

import json

import pytest
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.train import run_log
from job_runner import run_job, tree
from sample import write_shards
from short_runs import OPTIONS, losses, said, states, stop_in_step, train, write


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), train=8, heldout=2)


@pytest.fixture(autouse=True)
def log_every_step(monkeypatch):
    monkeypatch.setattr(run_log, "LOG_EVERY", 1)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"lr": 0.001}, "another lr: lr was 0.002, now it is 0.001"),
        ({"draft": {**OPTIONS["draft"], "layers": 2}}, "draft.layers was 1, now it is 2"),
        ({"batchSize": 1}, "another rows per step: rows per step was 2, now it is 1"),
        ({"clip": None}, "clip was 1.0, now it is null"),
    ],
)
def test_other_settings_are_named_and_refused(tmp_path, target_dirs, shards, options, what):
    target = target_dirs["qwen3_vl"]
    stop_in_step(write(tmp_path, target, shards), 3)
    before = tree(tmp_path / "resume")
    with pytest.raises(UserError) as error:
        train(write(tmp_path, target, shards, **options))
    assert (error.value.code, error.value.toolkit_code) == ("resume-conflict", "RESUME_CONFLICT")
    assert "saved at step 3" in error.value.message and what in error.value.message
    assert str(tmp_path / "resume" / "state-00000003") in error.value.message
    assert error.value.hint == "go back to the earlier setting to continue, or discard it with onConflict: restart"
    assert tree(tmp_path / "resume") == before, "nothing is touched"
    events = train(write(tmp_path, target, shards))
    assert said(events, "resuming at step 3 of 16")


def test_other_rows_and_weights_are_named(tmp_path, target_dirs, shards):
    stop_in_step(write(tmp_path, target_dirs["qwen3_vl"], shards), 2)
    others = write_shards(tmp_path / "others", train=8, heldout=2, response=15)
    with pytest.raises(UserError, match=r"was made with another rows: rows was [0-9a-f]{12}, now it is"):
        train(write(tmp_path, target_dirs["qwen3_vl"], others))


def test_restart_discards_and_keeps_aside(tmp_path, target_dirs, shards):
    target = target_dirs["qwen3_vl"]
    stop_in_step(write(tmp_path, target, shards), 6)
    kept = tree(tmp_path / "resume" / "state-00000006")
    events = train(write(tmp_path, target, shards, lr=0.001, onConflict="restart"))
    assert said(events, "discarding earlier work, as onConflict says: an unfinished run, saved at step 6")
    assert tree(tmp_path / "resume" / "set-aside" / "state-00000006") == kept
    train(write(tmp_path / "fresh", target, shards, lr=0.001))
    assert tree(tmp_path / "work") == tree(tmp_path / "fresh" / "work")


def test_what_changes_no_number_continues(tmp_path, target_dirs, shards):
    target = target_dirs["qwen3_vl"]
    train(write(tmp_path / "whole", target, shards))
    stop_in_step(write(tmp_path, target, shards), 3)
    other = {"maxMinutes": 600, "stateCacheMb": 0, "checkpointEvery": 3, "maxSkipped": 7, "onConflict": "restart"}
    stop_in_step(write(tmp_path, target, shards, **other), 6)
    events = train(write(tmp_path, target, shards, draftTokens=128, keepLast=1, earlyStopPatience=1000))
    assert said(events, "resuming at step 6 of 16") and not said(events, "discarding")
    assert losses(tmp_path) == losses(tmp_path / "whole")
    stop_in_step(write(tmp_path / "b", target, shards), 3)
    events = train(write(tmp_path / "b", target, shards, attention="sdpa", threads=2))
    assert said(events, "resuming at step 3 of 16")
    assert [loss for _, loss in losses(tmp_path / "b")] == pytest.approx(
        [loss for _, loss in losses(tmp_path / "whole")], rel=1e-5
    )


def test_an_unfinished_run_elsewhere_is_taken_up(tmp_path, target_dirs, shards):
    target = target_dirs["qwen3_vl"]
    train(write(tmp_path / "whole", target, shards))
    stop_in_step(write(tmp_path / "old", target, shards), 6)
    old = tmp_path / "old" / "resume"
    events = train(write(tmp_path / "new", target, shards, [old], batchSize=1, accumulate=2))
    assert said(events, "going on with an unfinished run that differs only in options that do not change the numbers")
    assert said(events, "resuming at step 6 of 16")
    assert states(tmp_path / "old") == [] and not (old / "metrics.jsonl").exists()
    (steps, found), (wanted_steps, wanted) = (zip(*losses(tmp_path / name), strict=True) for name in ("new", "whole"))
    assert steps == wanted_steps and found == pytest.approx(wanted, rel=1e-6)


def test_an_unfinished_run_elsewhere_with_other_settings_is_refused(tmp_path, target_dirs, shards):
    target = target_dirs["qwen3_vl"]
    stop_in_step(write(tmp_path / "old", target, shards), 2)
    old = tmp_path / "old" / "resume"
    with pytest.raises(UserError, match="saved at step 2, was made with another seed: seed was 0, now it is 4"):
        train(write(tmp_path / "new", target, shards, [old], seed=4))
    events = train(write(tmp_path / "new", target, shards, [old], seed=4, onConflict="restart", maxSteps=1))
    assert said(events, "discarding earlier work") and states(tmp_path / "old") == ["state-00000002"]


def test_a_state_of_an_earlier_version_is_refused(tmp_path, target_dirs, shards):
    job = write(tmp_path, target_dirs["qwen3_vl"], shards)
    stop_in_step(job, 2)
    path = tmp_path / "resume" / "state-00000002" / "state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps({"progress": state["progress"], "fingerprint": {"ranks": 1}}))
    with pytest.raises(UserError, match="version of draftsmith was an earlier one"):
        train(job)


def test_another_number_of_ranks_continues_the_same_order(tmp_path, target_dirs, shards):
    target = target_dirs["qwen3_vl"]
    train(write(tmp_path / "whole", target, shards, batchSize=4))
    # The budget of a moment ends a run of two ranks within a few steps, with a state to continue from.
    run_job("train", write(tmp_path, target, shards, maxMinutes=1e-9), 2)
    begun = int(states(tmp_path)[-1].removeprefix("state-"))
    assert 1 <= begun < 5
    events = stop_in_step(write(tmp_path, target, shards), begun + 2)
    assert said(events, "1 process instead of 2: each step still learns from 4 rows, in the same order")
    events = train(write(tmp_path, target, shards))
    assert said(events, f"resuming at step {begun + 2} of 8") and not said(events, "instead of")
    found, wanted = losses(tmp_path), losses(tmp_path / "whole")[begun:]
    assert [step for step, _ in found] == [step for step, _ in wanted]
    assert [loss for _, loss in found] == pytest.approx([loss for _, loss in wanted], rel=1e-5)
    layout = json.loads((tmp_path / "resume" / "state-00000008" / "state.json").read_text())
    assert layout["layout"]["processes"] == 1 and layout["settings"]["rowsPerStep"] == 4
    with pytest.raises(UserError, match="rows per step was 4, now it is 3"):
        train(write(tmp_path, target, shards, batchSize=3))
