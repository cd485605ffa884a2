"""metrics.jsonl: metrics by step, byte-identical for the same run however often it was resumed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class MetricsFile:
    """Appends lines; on resume, lines written after the saved state are truncated."""

    def __init__(self, path: Path, keep: int) -> None:
        """Opens ``path``, keeping its first ``keep`` bytes."""
        self.path = path
        path.touch()
        os.truncate(path, keep)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self.path.stat().st_size

    def write(self, line: dict[str, Any]) -> None:
        """Appends one object. Nothing in it may depend on the clock or the machine."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
