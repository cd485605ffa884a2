"""Imports go one way: the contracts in pyproject.toml hold, and each of them notices what it is there for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TRAINER = Path(__file__).parents[2] / "src" / "trainer"
PACKAGES = ("draftsmith_trainer", "reference_server", "tiny_gui")


def lint(trainer):
    code = (
        "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports('pyproject.toml', no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=trainer,
        env={**os.environ, "PYTHONPATH": str(trainer), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_contracts_hold():
    done = lint(TRAINER)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("draftsmith_trainer/evaluate/compare.py", "from ..train.schedule import learning_rate", "A room imports only"),
        ("draftsmith_trainer/draft/rotary.py", "from ..algorithms.settings import SETTINGS", "A room imports only"),
        ("draftsmith_trainer/new_room/__init__.py", "", "A room imports only"),
        (
            "draftsmith_trainer/train/step.py",
            "from reference_server.decode.kept import Kept",
            "The training rooms know",
        ),
        ("draftsmith_trainer/jobs/train.py", "from .export import find_checkpoint", "Only the command line"),
        ("draftsmith_trainer/plan/report.py", "from ..algorithms.store import load_draft", "A plan reads configs"),
        ("reference_server/serve/app.py", "from draftsmith_trainer.train.step import Stepper", "The reference server"),
        ("reference_server/decode/kept.py", "from ..serve.errors import ApiError", "Decoding knows no HTTP"),
        ("tiny_gui/words.py", "from draftsmith_trainer.base.errors import UserError", "The embedded target's"),
        (
            "draftsmith_trainer/draft/masks.py",
            "from .layers import Layer\nfrom .attend import make_attend",
            "No two files",
        ),
    ],
)
def test_a_wrong_import_breaks_its_contract(tmp_path, file, line, contract):
    for name in PACKAGES:
        shutil.copytree(TRAINER / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TRAINER / "pyproject.toml", tmp_path)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    with (tmp_path / file).open("a", encoding="utf-8") as out:
        out.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    broken = [row for row in done.stdout.splitlines() if " BROKEN" in row]
    assert any(row.startswith(contract) for row in broken), done.stdout
