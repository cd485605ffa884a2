"""The event stream that the TypeScript side reads: one JSON object per line on stdout, and nothing else."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any, Literal, TextIO

from .errors import UserError


class Events:
    """Prints events. Under torchrun only rank 0 reports; the others get ``quiet=True`` and print only errors."""

    def __init__(self, out: TextIO | None = None, quiet: bool = False) -> None:
        self._out = out if out is not None else sys.stdout
        self.quiet = quiet
        self._last_progress = 0.0
        # Phases report from a thread of their own.
        self._lock = threading.Lock()

    def progress(
        self,
        done: float,
        total: float | None,
        unit: str,
        rates: dict[str, float] | None = None,
        note: str | None = None,
    ) -> None:
        """Reports progress: at most five events a second, but always the last one (done == total)."""
        now = time.monotonic()
        if (total is None or done < total) and now - self._last_progress < 0.2:
            return
        self._last_progress = now
        event: dict[str, Any] = {"type": "progress", "done": done, "total": total, "unit": unit}
        if rates:
            event["rates"] = {name: round(rate, 3) for name, rate in rates.items()}
        if note:
            event["note"] = note
        self._print(event)

    @property
    def silent_for(self) -> float:
        """Seconds since the last report of progress."""
        return time.monotonic() - self._last_progress

    def metric(self, step: int, values: dict[str, float]) -> None:
        """Reports values measured at an optimizer step."""
        self._print({"type": "metric", "step": step, "values": values})

    def log(self, message: str, level: Literal["info", "warn"] = "info") -> None:
        """Reports a sentence for the user."""
        self._print({"type": "log", "level": level, "message": message})

    def result(self, counts: dict[str, Any], facts: dict[str, Any]) -> None:
        """Reports what the job produced; the last event of a successful job."""
        self._print({"type": "result", "counts": counts, "facts": facts})

    def error(self, error: UserError) -> None:
        """Reports why the job stopped."""
        event = {"type": "error", "code": error.toolkit_code, "reason": error.code, "message": error.message}
        if error.hint:
            event["hint"] = error.hint
        if error.field:
            event["field"] = error.field
        if error.frame:
            event["frame"] = error.frame
        # Quiet ranks report errors too: a damaged image may be in one rank's share only.
        self._write(event)

    def _print(self, event: dict[str, Any]) -> None:
        if not self.quiet:
            self._write(event)

    def _write(self, event: dict[str, Any]) -> None:
        line = json.dumps(event, ensure_ascii=False) + "\n"
        with self._lock:
            self._out.write(line)
            self._out.flush()
