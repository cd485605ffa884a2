"""Ends a process whose run cannot continue: another rank has died, and this one is blocked in a collective."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from ..base.errors import UserError

#: Seconds between two checks.
_INTERVAL = 1.0
#: Seconds for the process to end by itself, with its own message: many collectives fail when a peer dies.
GRACE = 15.0


class Watch:
    """A thread that checks whether all ranks are alive. NCCL would wait for a dead one, in C++, until its time-out.

    Args:
        look: returns why the run cannot continue, or None.
        tell: called with that error before the process ends.
    """

    def __init__(self, look: Callable[[], UserError | None], tell: Callable[[UserError], None]) -> None:
        self._look, self._tell, self._done = look, tell, threading.Event()
        self._thread = threading.Thread(target=self._run, name="rank-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops checking: from now on ranks may leave."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(_INTERVAL):
            error = self._look()
            if error is not None and not self._done.wait(GRACE):
                self._tell(error)
                os._exit(4)
