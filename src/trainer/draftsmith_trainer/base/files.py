"""Atomic writes: a file or directory is either complete or absent."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_directory(path: Path, fill: Callable[[Path], None]) -> None:
    """Creates ``path`` with what ``fill`` writes; a crash leaves the old directory or none, never a partial one."""
    fresh = path.with_name(f".{path.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    fill(fresh)
    for file in fresh.iterdir():
        _sync(file)
    _sync(fresh)
    remove_directory(path)
    fresh.rename(path)
    _sync(path.parent)


def remove_directory(path: Path) -> None:
    """Removes ``path`` if it exists; a crash leaves it complete or under a hidden name, which the next call removes."""
    hidden = path.with_name(f".{path.name}.old")
    shutil.rmtree(hidden, ignore_errors=True)
    if path.exists():
        path.rename(hidden)
        shutil.rmtree(hidden)


def write_json(path: Path, value: Any) -> None:
    """Writes ``value`` with sorted keys, atomically."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", "utf-8")
    _sync(fresh)
    fresh.replace(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
