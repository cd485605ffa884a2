"""A run of these tests leaves nothing in the temporary directory, and fails when a test does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parents[1] / "src" / "trainer" / "pyproject.toml"

TIDY = "def test_it(tmp_path):\n    (tmp_path / 'file').write_text('text')\n"
FAILING = TIDY + "    assert 1 == 2\n"
LEAVING = "import tempfile\n\n\ndef test_it():\n    tempfile.mkdtemp(prefix='forgotten-')\n"


@pytest.mark.parametrize(
    ("source", "code", "words"), [(TIDY, 0, ""), (FAILING, 1, "assert 1 == 2"), (LEAVING, 1, "left forgotten-")]
)
def test_nothing_stays(tmp_path, source, code, words):
    (tmp_path / "test_inner.py").write_text(source)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "pytest", "-c", str(PROJECT), "--rootdir", str(tmp_path), "-p", "conftest"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(tmp_path / "test_inner.py")],
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout + done.stderr
    assert list(temporary.iterdir()) == []
