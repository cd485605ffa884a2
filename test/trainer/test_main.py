"""Dispatch: exit codes, error events, and nothing but events on stdout."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from draftsmith_trainer.__main__ import JOBS, PROGRAMS, main
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.base.events import Events
from job_runner import environment


def error_of(capsys):
    (line,) = capsys.readouterr().out.splitlines()
    event = json.loads(line)
    assert event["type"] == "error"
    return event


def test_user_errors_are_events_and_exit_2(capsys, tmp_path):
    assert main(["trian"]) == 2
    assert error_of(capsys)["reason"] == "unknown-job"
    assert main(["train"]) == 2
    assert error_of(capsys)["reason"] == "bad-job"
    (tmp_path / "job.json").write_text('{"target": "t", "shardz": "s"}')
    assert main(["train", "--config", str(tmp_path / "job.json")]) == 2
    event = error_of(capsys)
    assert (event["code"], event["reason"]) == ("OPTIONS_INVALID", "bad-option") and event[
        "hint"
    ] == "did you mean shards?"


def test_help_names_every_job_without_torch():
    code = "import sys; sys.modules['torch'] = None; from draftsmith_trainer.__main__ import main; main(['--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    for name in (*JOBS, *PROGRAMS):
        assert name in done.stdout


def test_missing_torch_is_said(tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')")
    env = {**environment(), "PYTHONPATH": f"{tmp_path}:{environment()['PYTHONPATH']}"}
    command = [sys.executable, "-m", "draftsmith_trainer", "train", "--config", "none.json"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 2
    event = json.loads(done.stdout)
    assert (event["code"], event["reason"]) == ("PYTHON_MISSING", "python-package-missing")
    assert "torch" in event["message"]


def test_quiet_ranks_report_errors_only():
    out = io.StringIO()
    quiet = Events(out, quiet=True)
    quiet.log("x")
    quiet.metric(1, {"loss": 1.0})
    assert out.getvalue() == ""
    quiet.error(UserError("no-rows", "m"))
    assert json.loads(out.getvalue())["code"] == "DATA_EMPTY"


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("IoError: No space left on device")]
)
def test_full_disk_is_said(monkeypatch, capsys, error):
    import draftsmith_trainer.jobs.train as job

    def full(_path, _events):
        raise error

    monkeypatch.setattr(job, "run", full)
    assert main(["train", "--config", "job.json"]) == 2
    assert error_of(capsys)["code"] == "DISK_FULL"


def test_bugs_are_not_hidden(monkeypatch):
    import draftsmith_trainer.jobs.train as job

    monkeypatch.setattr(job, "run", lambda _path, _events: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        main(["train", "--config", "job.json"])


def test_progress_is_thinned():
    out = io.StringIO()
    loud = Events(out)
    for done in range(1, 1001):
        loud.progress(done, 1000, "rows")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) < 100 and lines[-1]["done"] == 1000


@pytest.mark.parametrize("name", JOBS)
def test_every_job_has_a_run(name):
    from importlib import import_module

    assert callable(import_module(JOBS[name][0]).run)
    assert Path(import_module(JOBS[name][0]).__file__).parent.name == "jobs"


@pytest.mark.parametrize("given", [None, "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"])
def test_the_allocator_is_set_up_before_torch_is_imported(given):
    code = """
import os, sys
from draftsmith_trainer import __main__
__main__.import_module = lambda name: sys.exit(f"{'torch' in sys.modules} {os.environ.get('PYTORCH_ALLOC_CONF')}")
__main__.main(["train", "--config", "job.json"])
"""
    env = {name: value for name, value in environment().items() if "ALLOC_CONF" not in name}
    if given is not None:
        env[given] = "max_split_size_mb:64"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    own = {None: "expandable_segments:True", "PYTORCH_ALLOC_CONF": "max_split_size_mb:64"}
    assert done.stderr.strip() == f"False {own.get(given)}"
