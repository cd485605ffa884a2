"""Runs jobs of the trainer in processes of their own, which tests may kill.

The processes are forked from a server that has torch and transformers imported already: a dozen cold starts would take
most of the suite's time. One test (test_ranks) starts the trainer as the toolkit does, from nothing, under torchrun.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
# The server finds what it imports by this variable alone: Python 3.11 hands it no sys.path, and passes over a preload
# that fails without a word.
os.environ["PYTHONPATH"] = os.pathsep.join((str(_ROOT / "src" / "trainer"), str(_ROOT / "test" / "trainer")))
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["warm_imports"])


class Run:
    """A started job: its process and the events it has printed so far."""

    def __init__(self, job: str, config: Path, **variables: str) -> None:
        self._out = config.with_name(f"{config.stem}-{time.monotonic_ns()}.events")
        self._out.touch()
        self._err = self._out.with_suffix(".stderr")
        arguments = ([job, "--config", str(config)], str(self._out), str(self._err), variables)
        self.process = _CONTEXT.Process(target=_child, args=arguments)
        self.process.start()

    def events(self) -> list[dict[str, Any]]:
        whole, _, _ = self._out.read_text("utf-8").rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def wait(self) -> int:
        self.process.join(200)
        assert self.process.exitcode is not None, "the job did not end in 200 s"
        return self.process.exitcode

    def until_step(self, step: int) -> None:
        """Returns as soon as training has passed ``step``."""
        while self.process.is_alive():
            if any(event["type"] == "progress" and event["done"] >= step for event in self.events()):
                return
            time.sleep(0.005)
        raise AssertionError("the run ended before it could be disturbed: " + self.errors())

    def errors(self) -> str:
        return self._err.read_text("utf-8")[-3000:]


def run_job(job: str, config: Path, processes: int = 1) -> list[dict[str, Any]]:
    """Runs a job to its end, on several ranks as torchrun would; all events of all ranks."""
    groups = [{}] if processes == 1 else _rank_variables(processes)
    runs = [Run(job, config, **variables) for variables in groups]
    for run in runs:
        code = run.wait()
        assert code == 0, f"exit code {code}\n{run.errors()}"
    return [event for run in runs for event in run.events()]


def environment() -> dict[str, str]:
    """For a process that is started from nothing."""
    return {**os.environ, "PYTHONPATH": str(_ROOT / "src" / "trainer"), "OMP_NUM_THREADS": "1"}


def write_job(path: Path, **job: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({key: str(v) if isinstance(v, Path) else v for key, v in job.items()}), "utf-8")
    return path


def job_in(root: Path, target: Path, shards: Path, options: dict[str, Any]) -> Path:
    """The file of a training job whose directories lie in ``root``."""
    (root / "work").mkdir(parents=True, exist_ok=True)
    files = {"target": target, "shards": shards, "workDir": root / "work", "resumeDir": root / "resume"}
    return write_job(root / "job.json", **files, options=options)


def tree(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _rank_variables(processes: int) -> list[dict[str, str]]:
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(processes)}
    return [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]


def _child(argv: list[str], out: str, err: str, variables: dict[str, str]) -> None:
    os.environ.update(variables)
    for path, stream in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644), stream)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    from draftsmith_trainer.__main__ import main

    sys.exit(main(argv))
