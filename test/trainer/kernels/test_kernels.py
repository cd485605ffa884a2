"""The Triton kernels compute what their references compute (in the interpreter; on a GPU: train/test_cuda.py)."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.mark.skipif(find_spec("triton") is None, reason="this torch came without triton")
def test_kernels_equal_their_references_in_the_interpreter():
    script = Path(__file__).parent / "interpreted.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    checks = ["attention", "head", "experts", "tower", "text", "routing", "causal", "layers"]
    assert done.stdout.split() == checks
