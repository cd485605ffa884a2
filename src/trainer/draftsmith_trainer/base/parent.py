"""Ends a job whose parent died, so that a killed toolkit leaves no server and no training behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

#: Set by the toolkit, which holds the other end of this process's standard input for as long as it lives.
VARIABLE = "DRAFTSMITH_PARENT_ON_STDIN"
#: Seconds between asking the process to end and ending it.
GRACE = 20.0


def watch() -> None:
    """Starts watching when the toolkit asked for it; else does nothing: a person at a terminal has a standard input."""
    if os.environ.get(VARIABLE) == "1":
        threading.Thread(target=_wait, name="parent-watch", daemon=True).start()


def _wait() -> None:
    # A kill -9 closes the pipe too: it is the one sign of the parent's end that cannot be missed.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)
