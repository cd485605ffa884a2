"""Terminates a job whose parent died, so that a killed toolkit leaves no orphaned server or trainer behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

#: Set by the toolkit, which keeps the other end of this process's standard input open as long as it lives.
VARIABLE = "DRAFTSMITH_PARENT_ON_STDIN"
#: Seconds between SIGTERM and a forced exit: a large draft's state takes a while to save.
GRACE = 120.0


def watch() -> None:
    """Starts watching if the toolkit asked for it; in a terminal, standard input belongs to the user."""
    if os.environ.get(VARIABLE) == "1":
        threading.Thread(target=_wait, name="parent-watch", daemon=True).start()


def _wait() -> None:
    # The pipe closes even after kill -9, so its end is the one reliable sign that the parent died.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)
