"""``python test/trainer/transformers_matrix [RELEASE ...]``: the trainer's tests with other releases of transformers.

Without names it takes the ends of the supported range and two between them; ``--all`` takes one of every minor release,
``--turn`` one of those, the next with every commit. ``--small`` runs the tests that see most of transformers.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "test" / "trainer"
sys.path.insert(0, str(TESTS))

from transformers_matrix.environments import environment_of  # noqa: E402

#: The last patch of every supported minor release.
RELEASES = (
    *("5.7.0", "5.8.1", "5.9.0", "5.10.4", "5.11.0", "5.12.1", "5.13.1", "5.14.1", "5.15.1"),
    *("5.16.1", "5.17.0", "5.18.0", "5.19.0", "5.20.2", "5.21.1", "5.22.2", "5.23.0", "5.24.0"),
)
USUAL = ("5.7.0", "5.12.1", "5.17.0", "5.24.0")

#: What depends on transformers: models, caches, processors, tokenizers, configs.
FULL = (
    *("target", "draft", "algorithms", "export", "evaluate", "feed", "families", "jobs"),
    *("reference_server/decode", "reference_server/serve", "train/test_loop.py"),
)
SMALL = (
    "target/test_capture.py::test_capture_equals_hidden_states",
    "target/test_pictures.py",
    "reference_server/decode/test_speculative.py",
    "evaluate/test_evaluate.py::test_walk_equals_the_real_loop",
)


@dataclass(frozen=True)
class Outcome:
    """A release's result; ``found``: the version that was imported."""

    release: str
    found: str
    passed: int
    failed: int
    skipped: int
    seconds: float


def main() -> int:
    """Runs the matrix; 1 if a test failed anywhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("releases", nargs="*", help="such as 5.7.0")
    parser.add_argument("--all", action="store_true", help="every minor release")
    parser.add_argument("--turn", action="store_true", help="one release, the next with every commit")
    parser.add_argument("--small", action="store_true", help="fewer tests")
    options = parser.parse_args()
    releases = options.releases or (RELEASES if options.all else [_turn()] if options.turn else USUAL)
    outcomes = [_run(release, SMALL if options.small else FULL) for release in releases]
    print("\ntransformers  passed  failed  skipped  seconds")
    for one in outcomes:
        print(f"{one.found:<12}  {one.passed:>6}  {one.failed:>6}  {one.skipped:>7}  {one.seconds:>7.0f}")
    return 1 if any(one.failed for one in outcomes) else 0


def _run(release: str, tests: tuple[str, ...]) -> Outcome:
    python = environment_of(release)
    show = [str(python), "-c", "import transformers; print(transformers.__version__)"]
    found = subprocess.run(show, check=True, capture_output=True, text=True).stdout.strip()
    print(f"\n== transformers {found}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        command = [str(python), "-m", "pytest", "-c", "src/trainer/pyproject.toml", "--rootdir", str(ROOT)]
        command += [f"--junitxml={report}", "-q", "-p", "no:cacheprovider", *(f"test/trainer/{test}" for test in tests)]
        code = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}).returncode
        passed, failed, skipped = _counts(report, code)
    return Outcome(release, found, passed, failed, skipped, time.monotonic() - began)


def _counts(report: Path, code: int) -> tuple[int, int, int]:
    try:
        head = re.search(r"<testsuite [^>]*>", report.read_text("utf-8"))
    except OSError:
        head = None
    if head is None:
        # The runner itself crashed, which must not look like success.
        return 0, 1, 0
    tests, failures, errors, skipped = (
        int(found[1]) if (found := re.search(rf'\b{name}="(\d+)"', head[0])) else 0
        for name in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors or (1 if code else 0)
    return tests - failed - skipped, failed, skipped


def _turn() -> str:
    """By the number of commits, so that a commit's run can be repeated; by day where there is no git."""
    try:
        counted = subprocess.run(
            ["git", "rev-list", "--count", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
        )
        number, name = int(counted.stdout), "commit"
    except (OSError, subprocess.CalledProcessError, ValueError):
        number, name = int(time.time() // 86_400), "day"
    release = RELEASES[number % len(RELEASES)]
    print(f"transformers {release}: the turn of {name} {number}")
    return release


if __name__ == "__main__":
    sys.exit(main())
