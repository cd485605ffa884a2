"""Fixtures shared by the trainer's tests: tiny random targets of every supported type, written once per session."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

# Before torch is imported: spinning OpenMP threads make tests crawl when the cores are shared.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Tests are imported by path (importlib mode); what they share, and the package itself, is found from here, wherever
# pytest was started.
_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.parents[1] / "src" / "trainer")]

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402
from target_maker import MODEL_TYPES, write_target  # noqa: E402

settings.register_profile("draftsmith", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("draftsmith")

#: Caches that compilers keep below TMPDIR by design, and multiprocessing's directory, which it removes at the very end.
_TOOL_CACHES = re.compile(r"torchinductor_.*|triton.*|pymp-.*")
_OWN_TEMPORARY = pytest.StashKey[Path]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Gives the run a temporary directory of its own, child processes included; see test/scratch/run.ts."""
    own = Path(tempfile.mkdtemp(prefix="draftsmith-run-"))
    own.chmod(0o711)
    os.environ["TMPDIR"] = tempfile.tempdir = str(own)
    config.stash[_OWN_TEMPORARY] = own
    config.option.basetemp = config.option.basetemp or str(own / "pytest")
    # After multiprocessing has removed its own directory in there, which it does with priority -100.
    Finalize(None, shutil.rmtree, args=(own,), kwargs={"ignore_errors": True}, exitpriority=-200)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a run whose tests leave anything outside ``tmp_path``."""
    own = session.config.stash[_OWN_TEMPORARY]
    left = [path.name for path in own.iterdir() if path.name != "pytest" and not _TOOL_CACHES.fullmatch(path.name)]
    if left:
        print(f"\nerror: the tests left {', '.join(left[:10])} in TMPDIR: use tmp_path", file=sys.stderr)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def target_dirs(tmp_path_factory: Any) -> dict[str, Path]:
    """Model type -> a directory with a tiny random target of that type."""
    root = tmp_path_factory.mktemp("targets")
    return {kind: write_target(root / kind, kind) for kind in MODEL_TYPES}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        if "cuda" in item.keywords:
            item.add_marker(skip)
