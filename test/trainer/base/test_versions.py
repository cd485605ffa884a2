"""A transformers that is too old ends every job that needs it, before anything heavy is imported."""

import json
import subprocess
import sys

import pytest
from job_runner import environment


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        (["train", "--config", "none.json"], True),
        (["serve", "--model", "none"], True),
        (["plan", "--config", "none.json"], False),
    ],
)
def test_old_transformers_is_refused(tmp_path, command, refused):
    info = tmp_path / "transformers-5.6.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: transformers\nVersion: 5.6.2\n")
    env = {**environment(), "PYTHONPATH": f"{tmp_path}:{environment()['PYTHONPATH']}"}
    program = [sys.executable, "-m", "draftsmith_trainer", *command]
    done = subprocess.run(program, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 2
    event = json.loads(done.stdout.splitlines()[-1])
    if not refused:
        assert event["reason"] == "bad-job"
        return
    assert (event["code"], event["reason"]) == ("PYTHON_MISSING", "python-package-old")
    assert "transformers 5.6.2, but 5.7 or newer is needed" in event["message"]
    assert event["hint"] == f"{sys.executable} -m pip install 'transformers>=5.7,<6'"
