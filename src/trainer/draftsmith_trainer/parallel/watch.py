"""Ends a process whose run cannot go on, because another rank has died while this one waits inside a collective."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from ..base.errors import UserError

#: Seconds between two looks at the others.
_INTERVAL = 1.0
#: Seconds in which the process may end by itself, with its own message: many collectives fail when the other side dies.
GRACE = 15.0


class Watch:
    """A thread that looks whether all ranks live. NCCL waits for a dead one for as long as its time-out, in C++.

    Args:
        look: what is wrong with the others, or None.
        tell: called with it before the process ends.
    """

    def __init__(self, look: Callable[[], UserError | None], tell: Callable[[UserError], None]) -> None:
        self._look, self._tell, self._done = look, tell, threading.Event()
        self._thread = threading.Thread(target=self._run, name="rank-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops looking: from now on ranks may leave."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(_INTERVAL):
            error = self._look()
            if error is not None and not self._done.wait(GRACE):
                self._tell(error)
                os._exit(2)
