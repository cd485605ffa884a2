"""Where the environment is kept: outside the tree, under a name that changes with everything that went into it."""

import hashlib
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
STAND_IN = HERE / "stand_in"
# Written last, so that a half-made environment is never taken for a finished one.
STAMP = ".draftsmith-complete"
_INGREDIENTS = (REQUIREMENTS, HERE / "patches.py", HERE / "edits.py")


def cache_root() -> Path:
    """The toolkit's cache, by the same rule as on its TypeScript side."""
    own = os.environ.get("DRAFTSMITH_CACHE")
    if own:
        return Path(own).resolve()
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg).resolve() if xdg else Path.home() / ".cache") / "draftsmith"


def fingerprint() -> str:
    digest = hashlib.sha256(f"python-{sys.version_info.major}.{sys.version_info.minor}\n".encode())
    for file in _INGREDIENTS:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def default_directory() -> Path:
    return cache_root() / f"sglang-cpu-{fingerprint()}"


def interpreter_in(directory: Path) -> Path:
    return directory / "bin" / "python"


def is_complete(directory: Path) -> bool:
    stamp = directory / STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == fingerprint()
