"""Progress of work that cannot count what it has done: how long it has taken so far."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .events import Events

#: Seconds between two reports. Short phases stay silent.
INTERVAL = 5.0


@contextmanager
def phase(events: Events, what: str, interval: float = INTERVAL) -> Iterator[None]:
    """Reports that ``what`` is still going on, such as "loading the target", whenever nothing else was reported for
    ``interval`` seconds.
    """
    began, done = time.monotonic(), threading.Event()

    def report() -> None:
        while not done.wait(max(interval / 10, interval - events.silent_for)):
            if events.silent_for < interval:
                continue
            events.progress(round(time.monotonic() - began), None, "s", note=what)

    reporter = threading.Thread(target=report, name="phase", daemon=True)
    reporter.start()
    try:
        yield
    finally:
        done.set()
        reporter.join()
