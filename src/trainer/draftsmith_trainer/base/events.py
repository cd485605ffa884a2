"""The stream that the TypeScript side reads: one JSON object a line on stdout, and nothing else there."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Literal, TextIO

from .errors import UserError


class Events:
    """Prints events. Under torchrun only rank 0 has a voice; the others get ``quiet=True`` and report errors alone."""

    def __init__(self, out: TextIO | None = None, quiet: bool = False) -> None:
        self._out = out if out is not None else sys.stdout
        self.quiet = quiet
        self._last_progress = 0.0

    def progress(
        self, done: float, total: float, unit: str, rates: dict[str, float] | None = None, note: str | None = None
    ) -> None:
        """How far the job is; at most five a second are printed, the last one (done == total) always."""
        now = time.monotonic()
        if done < total and now - self._last_progress < 0.2:
            return
        self._last_progress = now
        event: dict[str, Any] = {"type": "progress", "done": done, "total": total, "unit": unit}
        if rates:
            event["rates"] = {name: round(rate, 3) for name, rate in rates.items()}
        if note:
            event["note"] = note
        self._print(event)

    def metric(self, step: int, values: dict[str, float]) -> None:
        """Numbers measured at an optimizer step."""
        self._print({"type": "metric", "step": step, "values": values})

    def log(self, message: str, level: Literal["info", "warn"] = "info") -> None:
        """A sentence for people."""
        self._print({"type": "log", "level": level, "message": message})

    def result(self, counts: dict[str, Any], facts: dict[str, Any]) -> None:
        """What the job made; the last event of a job that went well."""
        self._print({"type": "result", "counts": counts, "facts": facts})

    def error(self, error: UserError) -> None:
        """Why the job stopped."""
        event = {"type": "error", "code": error.toolkit_code, "reason": error.code, "message": error.message}
        if error.hint:
            event["hint"] = error.hint
        if error.field:
            event["field"] = error.field
        # An image may be damaged in the share of one rank only: then its word is the only one there is.
        self._write(event)

    def _print(self, event: dict[str, Any]) -> None:
        if not self.quiet:
            self._write(event)

    def _write(self, event: dict[str, Any]) -> None:
        self._out.write(json.dumps(event, ensure_ascii=False) + "\n")
        self._out.flush()
