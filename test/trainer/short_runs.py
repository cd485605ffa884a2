"""Short training jobs in this process, and ways to disturb them."""

from __future__ import annotations

import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from draftsmith_trainer.base.errors import Interrupted
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.jobs.train import run
from draftsmith_trainer.train.loop import Trainer
from job_runner import job_in

OPTIONS = {
    "draft": {"layers": 1, "blockSize": 4, "intermediateSize": 64, "maskTokenId": 510},
    "epochs": 4,
    "anchors": 4,
    "lr": 0.002,
    "evalEvery": 5,
    "device": "cpu",
    "threads": 1,
}


def write(root: Path, target: Path, shards: Path, others: list[Path] | None = None, **options: Any) -> Path:
    """A job in ``root`` with :data:`OPTIONS` but for ``options``."""
    path = job_in(root, target, shards, {**OPTIONS, **options})
    if others:
        job = json.loads(path.read_text()) | {"otherResumeDirs": [str(other) for other in others]}
        path.write_text(json.dumps(job))
    return path


def train(job: Path) -> list[dict[str, Any]]:
    """Runs a job to its end; its events."""
    out = io.StringIO()
    run(job, Events(out))
    return [json.loads(line) for line in out.getvalue().splitlines()]


def stop_in_step(job: Path, step: int, number: signal.Signals = signal.SIGTERM) -> list[dict[str, Any]]:
    """Runs a job that is asked to stop in optimizer step ``step`` (from 1; the first step stops at once)."""
    stepping = Trainer._step

    def stopping(self, progress, *rest):  # type: ignore[no-untyped-def]
        if progress.step + 1 == step:
            os.kill(os.getpid(), number)
        return stepping(self, progress, *rest)

    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Trainer, "_step", stopping)
        run(job, Events(out))
    return [json.loads(line) for line in out.getvalue().splitlines()]


def said(events: list[dict[str, Any]], text: str) -> bool:
    """Whether a log line holds ``text``."""
    return any(text in event.get("message", "") for event in events)


def states(root: Path) -> list[str]:
    """Names of the saved states."""
    return sorted(path.name for path in (root / "resume").glob("state-*"))


def losses(root: Path) -> list[tuple[int, float]]:
    """(step, loss) of every line of the finished run's metrics."""
    lines = [json.loads(line) for line in (root / "work" / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if "loss" in line]
