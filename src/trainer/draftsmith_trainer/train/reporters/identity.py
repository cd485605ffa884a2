"""The id under which a tracker knows a run, kept so that a resumed run continues it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ...base.files import write_json


def kept_id(path: Path, make: Callable[[], str]) -> str:
    """The id in ``path``; made and kept there the first time."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"id": make()})
    return str(json.loads(path.read_text("utf-8"))["id"])
