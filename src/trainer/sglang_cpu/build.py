"""Make the environment in which the real SGLang serves on a CPU: `python build.py [--dir DIR]`.

Needs only the standard library. Prints the environment's directory on stdout, everything else on stderr; a second run
finds the stamp and returns at once.
"""

import argparse
import fcntl
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edits import EditError, apply_all
from location import REQUIREMENTS, STAMP, default_directory, fingerprint, interpreter_in, is_complete
from patches import PATCHES

MIN_PYTHON = (3, 11)
TRIED_PYTHON = (3, 11)
NEEDED_GB = 12


class BuildError(Exception):
    """The environment cannot be made; the message says why in one sentence."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the environment in which the real SGLang serves on a CPU.")
    parser.add_argument("--dir", type=Path, help="where to make it (default: in the toolkit's cache)")
    options = parser.parse_args(arguments)
    directory: Path = (options.dir or default_directory()).resolve()
    # As an exception, so that a running pip ends with this process instead of going on alone.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        ensure(directory)
    except (BuildError, EditError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(directory)
    return 0


def ensure(directory: Path) -> None:
    if is_complete(directory):
        return
    check_machine(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with locked(directory.with_name(f"{directory.name}.lock")):
        # Another process may have finished it while this one waited.
        if not is_complete(directory):
            build(directory)


def check_machine(directory: Path) -> None:
    if sys.version_info < MIN_PYTHON:
        raise BuildError(
            f"Python {MIN_PYTHON[0]}.{MIN_PYTHON[1]} or newer is needed, this is {platform.python_version()}"
        )
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise BuildError(f"SGLang's wheels are for Linux on x86-64, this is {sys.platform} on {platform.machine()}")
    if directory.exists() and any(directory.iterdir()) and not (directory / "pyvenv.cfg").exists():
        raise BuildError(f"{directory} is neither empty nor a Python environment; name another directory with --dir")
    existing = next(parent for parent in (directory, *directory.parents) if parent.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    if free_gb < NEEDED_GB:
        raise BuildError(f"{existing} has {free_gb:.1f} GB of free space, about {NEEDED_GB} GB are needed")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; the system releases it when the holder dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(directory: Path) -> None:
    log = directory.with_name(f"{directory.name}.log")
    log.unlink(missing_ok=True)
    say(f"making SGLang's environment (about 11 GB, some minutes) in {directory}; details in {log}")
    if sys.version_info[:2] != TRIED_PYTHON:
        say(f"the pinned versions were tried with Python {TRIED_PYTHON[0]}.{TRIED_PYTHON[1]} only")
    started = time.monotonic()
    shutil.rmtree(directory, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(directory)], log, "install python3-venv")
    python = str(interpreter_in(directory))
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-r", str(REQUIREMENTS)]
    run(pip, log, "the network may be down; the same command tries again")
    apply_all(package_directory(directory), PATCHES)
    (directory / STAMP).write_text(fingerprint() + "\n", encoding="utf-8")
    say(f"ready after {time.monotonic() - started:.0f} s")


def run(command: list[str], log: Path, advice: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL).returncode
    if status == 0:
        return
    last = "\n".join(f"  {line[:300]}" for line in log.read_text(encoding="utf-8").splitlines()[-8:])
    raise BuildError(f"{' '.join(command[1:4])} failed with exit code {status} ({advice}); the end of {log}:\n{last}")


def package_directory(directory: Path) -> Path:
    """Find sglang without importing it: the import takes seconds and wants a GPU library."""
    found = list(directory.glob("lib/python3.*/site-packages/sglang"))
    if len(found) != 1:
        raise BuildError(f"expected one installed sglang package in {directory}, found {len(found)}")
    return found[0]


def say(message: str) -> None:
    print(f"sglang-cpu: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
