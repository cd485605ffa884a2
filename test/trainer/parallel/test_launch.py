"""The launcher: a rank that died is named with its cause and last lines; requests to stop reach all, and last."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from draftsmith_trainer.parallel.launch import _of_signal
from job_runner import environment, job_in, run_job, tree
from sample import write_shards

OPTIONS = {
    "draft": {"layers": 1, "blockSize": 4, "intermediateSize": 64, "maskTokenId": 510},
    "epochs": 10,
    "anchors": 4,
    "lr": 0.002,
    "evalEvery": 10,
    "checkpointEvery": 4,
    "device": "cpu",
    "threads": 1,
}


class Launched:
    """A training on two ranks, started as the toolkit starts it."""

    def __init__(self, job, tmp_path):
        self._log = tmp_path / "log"
        self._errors = (tmp_path / "stderr").open("w+")
        command = [sys.executable, "-m", "draftsmith_trainer.parallel.launch", "--standalone", "--nproc-per-node", "2"]
        command += ["--log-dir", str(self._log), "-m", "draftsmith_trainer", "train", "--config", str(job)]
        variables = environment()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=variables)
        self.events = []

    def until_step(self, step):
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1].get("unit") == "steps" and self.events[-1]["done"] >= step:
                return
        self._errors.seek(0)
        raise AssertionError(self._errors.read()[-3000:])

    def rank(self, number):
        """The process of a rank."""
        for path in self._children(self.process.pid):
            variables = (path / "environ").read_bytes().split(b"\0")
            if f"RANK={number}".encode() in variables:
                return int(path.name)
        raise AssertionError(f"no process has rank {number}")

    def finish(self):
        self.events += [json.loads(line) for line in self.process.stdout]
        self._errors.close()
        return self.process.wait(200)

    @staticmethod
    def _children(parent):
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if (path / "stat").read_text().rpartition(")")[2].split()[1] == str(parent):
                    yield path
            except OSError:
                continue


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), train=8, heldout=2)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_is_told_and_the_same_command_continues(tmp_path, target_dirs, shards, rank):
    job = job_in(tmp_path, target_dirs["qwen3_vl"], shards, OPTIONS)
    run = Launched(job, tmp_path)
    run.until_step(7)
    os.kill(run.rank(rank), signal.SIGKILL)
    began = time.monotonic()
    assert run.finish() == 2 and time.monotonic() - began < 60
    error = [event for event in run.events if event["type"] == "error"][-1]
    assert (error["code"], error["reason"]) == ("TRAINER_FAILED", "rank-died")
    assert error["message"].startswith(
        f"rank {rank} on {os.uname().nodename} was killed by signal 9 (SIGKILL), most likely"
    )
    assert "out-of-memory killer" in error["message"] and "continues" in error["hint"]
    if rank == 1:
        run_job("train", job, 2)
        run_job("train", job_in(tmp_path / "calm", target_dirs["qwen3_vl"], shards, OPTIONS), 2)
        assert tree(tmp_path / "work") == tree(tmp_path / "calm" / "work")


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_stop_of_the_launcher_saves_on_all_ranks(tmp_path, target_dirs, shards, number):
    run = Launched(
        job_in(tmp_path, target_dirs["qwen3_vl"], shards, {**OPTIONS, "checkpointEvery": 1000, "evalEvery": 1000}),
        tmp_path,
    )
    run.until_step(5)
    # As Slurm does: to every process of the step, and some of them hear of it twice.
    os.kill(run.rank(1), number)
    for _ in range(3):
        os.kill(run.process.pid, number)
    assert run.finish() == 130
    assert not any(event["type"] in ("result", "error") for event in run.events)
    assert "the state is saved" in run.events[-1]["message"]
    assert len(list((tmp_path / "resume").glob("state-*"))) == 1


def test_a_bug_is_told_with_the_last_lines_of_its_rank(tmp_path, target_dirs, shards):
    job = job_in(tmp_path, target_dirs["qwen3_vl"], shards, OPTIONS)
    # The toolkit makes the work directory, so that a file in its place is nobody's mistake but ours.
    broken = json.loads(job.read_text())
    broken["workDir"] = str(job)
    job.write_text(json.dumps({**broken, "options": {**OPTIONS, "maxSteps": 1}}))
    run = Launched(job, tmp_path)
    assert run.finish() == 2
    error = [event for event in run.events if event["type"] == "error"][-1]
    assert error["reason"] == "rank-died" and "rank 0 on " in error["message"] and "exit code 1" in error["message"]
    assert "NotADirectoryError" in error["frame"] and "looks like a bug" in error["hint"]


def test_an_error_that_a_rank_explains_is_left_to_it(tmp_path, target_dirs, shards):
    run = Launched(job_in(tmp_path, target_dirs["qwen3_vl"], shards, {**OPTIONS, "maxLength": 3}), tmp_path)
    assert run.finish() == 2
    errors = [event["reason"] for event in run.events if event["type"] == "error"]
    assert set(errors) == {"no-rows"}


def test_signals_have_causes():
    assert "out-of-memory" in _of_signal(9) and "/dev/shm" in _of_signal(7)
    assert (
        _of_signal(11) == "was killed by signal 11 (SIGSEGV)" and _of_signal(63) == "was killed by signal 63 (unknown)"
    )
