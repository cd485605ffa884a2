"""A stop in a step, an evaluation, a save or the first compilation: exit code 130, nothing lost, the same bytes."""

import io
import os
import signal
import time

import pytest
import ranks_at_work
from draftsmith_trainer.base.errors import Interrupted
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.jobs.train import run
from draftsmith_trainer.measure.measurer import Measurer
from draftsmith_trainer.train.state import StateStore
from draftsmith_trainer.train.step import Stepper
from job_runner import Run, run_job, tree
from rank_processes import on_ranks, start_ranks
from sample import write_shards
from short_runs import states, stop_in_step, train, write


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), train=8, heldout=3)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, target_dirs, shards):
    root = tmp_path_factory.mktemp("undisturbed")
    train(write(root, target_dirs["qwen3_vl"], shards))
    return tree(root / "work")


def stopped(job):
    with pytest.raises(Interrupted):
        run(job, Events(io.StringIO()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_in_a_step(tmp_path, target_dirs, shards, undisturbed, number):
    job = write(tmp_path, target_dirs["qwen3_vl"], shards)
    stop_in_step(job, 7, number)
    assert states(tmp_path) == ["state-00000007"], "the step is finished and saved"
    train(job)
    assert tree(tmp_path / "work") == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_in_a_later_evaluation(tmp_path, target_dirs, shards, undisturbed, monkeypatch, number):
    """Also the last one, and none of the steps before it is lost: the state is saved before."""
    job = write(tmp_path, target_dirs["qwen3_vl"], shards)
    walks, evaluations = Measurer.walks, [("state-00000005", 4), ("state-00000016", 10)]
    for state, stop in evaluations:
        count = 0

        def walking(self, work, captured, stop=stop):
            nonlocal count
            count += 1
            if count == stop:
                os.kill(os.getpid(), number)
            return walks(self, work, captured)

        with monkeypatch.context() as patch:
            patch.setattr(Measurer, "walks", walking)
            stopped(job)
        assert states(tmp_path) == [state] and count == stop
    train(job)
    assert tree(tmp_path / "work") == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_while_a_state_is_written(tmp_path, target_dirs, shards, undisturbed, monkeypatch, number):
    job = write(tmp_path, target_dirs["qwen3_vl"], shards, checkpointEvery=3)
    written = StateStore.write

    def slow(self, progress, snapshot):
        if progress.step == 3:
            os.kill(os.getpid(), number)
            time.sleep(0.5)
        written(self, progress, snapshot)

    with monkeypatch.context() as patch:
        patch.setattr(StateStore, "write", slow)
        stopped(job)
    (state,) = states(tmp_path)
    assert state >= "state-00000003", "what was being written is complete, and later steps are saved behind it"
    train(job)
    assert tree(tmp_path / "work") == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_in_the_first_compilation(tmp_path, target_dirs, shards, undisturbed, monkeypatch, number):
    """Nothing is lost, so it need not be waited for: compiling for a large target takes minutes."""
    job = write(tmp_path, target_dirs["qwen3_vl"], shards)
    learn, behind = Stepper._learn, []

    def compiling(self, states, part):
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)
        except Exception:
            # As torch.compile does with what it takes for a failure of its backend.
            behind.append("swallowed")
        behind.append("compiled")
        return learn(self, states, part)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "_learn", compiling)
        began = time.monotonic()
        stopped(job)
    assert behind == [] and time.monotonic() - began < 50 and states(tmp_path) == []
    train(job)
    assert tree(tmp_path / "work") == undisturbed


def test_in_the_first_compilation_of_a_resumed_run(tmp_path, target_dirs, shards, undisturbed, monkeypatch):
    job = write(tmp_path, target_dirs["qwen3_vl"], shards)
    stop_in_step(job, 4)

    def compiling(*_):
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(60)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "_learn", compiling)
        stopped(job)
    assert states(tmp_path) == ["state-00000004"]
    train(job)
    assert tree(tmp_path / "work") == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_the_exit_code_is_130(tmp_path, target_dirs, shards, undisturbed, number):
    job = write(tmp_path, target_dirs["qwen3_vl"], shards)
    started = Run("train", job)
    started.until_step(2)
    os.kill(started.process.pid, number)
    assert started.wait() == 130
    run_job("train", job)
    assert tree(tmp_path / "work") == undisturbed


@pytest.mark.parametrize("rank", [0, 1])
def test_one_rank_is_asked_and_all_stop(tmp_path, target_dirs, shards, rank):
    job = write(tmp_path, target_dirs["qwen3_vl"], shards)
    assert on_ranks(ranks_at_work.train_and_stop_in_a_step, 2, [str(job)] * 2, rank, 4) == ["stopped"] * 2
    assert states(tmp_path) == ["state-00000004"]
    run_job("train", job, 2)
    run_job("train", write(tmp_path / "whole", target_dirs["qwen3_vl"], shards), 2)
    assert tree(tmp_path / "work") == tree(tmp_path / "whole" / "work")


@pytest.mark.parametrize("rank", [0, 1])
def test_a_sharded_evaluation_stops_before_its_end(tmp_path, target_dirs, shards, rank):
    """Its passes are collectives: both ranks leave before the same one."""
    job = write(tmp_path, target_dirs["qwen3_vl"], shards, shardTarget=True, stateCacheMb=0, evalEvery=2)
    (first, passes), (second, others) = on_ranks(
        ranks_at_work.train_and_stop_in_a_sharded_evaluation, 2, [str(job)] * 2, rank
    )
    assert (first, second) == ("stopped", "stopped")
    # 3 rows on 2 ranks: rank 0 walks two of them, rank 1 one and an idle pass.
    assert min(passes, others) >= 1 and max(passes, others) == 1
    assert states(tmp_path) == ["state-00000002"]


def test_what_was_learned_before_another_rank_died_is_saved(tmp_path, target_dirs, shards):
    options = {"checkpointEvery": 1000, "evalEvery": 1000}
    job = write(tmp_path, target_dirs["qwen3_vl"], shards, **options)
    (_, survivor), (victim, _) = start_ranks(ranks_at_work.die_before_a_step, 2, [str(job)] * 2, 6)
    assert survivor.poll(200) and survivor.recv() == (True, "rank-lost")
    victim.join()
    assert states(tmp_path) == ["state-00000005"]
    run_job("train", job, 2)
    run_job("train", write(tmp_path / "whole", target_dirs["qwen3_vl"], shards, **options), 2)
    assert tree(tmp_path / "work") == tree(tmp_path / "whole" / "work")
