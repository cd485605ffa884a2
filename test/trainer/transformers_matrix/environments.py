"""One environment for each release: only transformers and what it pins are installed, the rest is the base's."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

#: Written last, so that a half-made environment is never taken for a finished one.
_STAMP = ".draftsmith-complete"


def cache_root() -> Path:
    """Where the toolkit keeps what can be deleted at will; src/trainer-process/paths.ts has the same rule."""
    own, xdg = os.environ.get("DRAFTSMITH_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else Path(xdg) / "draftsmith" if xdg else Path.home() / ".cache" / "draftsmith"


def environment_of(release: str) -> Path:
    """The interpreter of a release's environment, which is made if it is not there (150 MB, half a minute).

    Raises:
        subprocess.CalledProcessError: when pip fails.
    """
    # The same release over another torch is another environment.
    base = Path(sys.prefix).name
    directory = cache_root() / f"transformers-{release}-over-{base}"
    python = directory / "bin" / "python"
    if (directory / _STAMP).exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
    # Packages of the base come after those installed here, and pip counts them as installed.
    site = directory / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (site / "zz-base.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", "utf-8")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([*pip, f"transformers=={release}"], check=True)
    (directory / _STAMP).write_text(release + "\n", "utf-8")
    return python
