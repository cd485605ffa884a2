"""One trainer at a time per resume directory."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError
from .events import Events


@contextmanager
def hold(directory: Path, events: Events, patience: float = 180.0) -> Iterator[None]:
    """Locks ``directory`` for the duration of the block.

    When the toolkit is killed, its trainer notices, saves its state and exits; a trainer started by the next toolkit
    waits for that. The operating system releases the lock however the process dies.

    Args:
        patience: seconds to wait for another trainer to exit.

    Raises:
        UserError: ``trainer-busy``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as file:
        deadline = time.monotonic() + patience
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    message = f"another trainer is running in {directory}"
                    raise UserError("trainer-busy", message, "wait for it to finish, or stop it") from None
                if not told:
                    events.log("waiting for another trainer of this run to exit")
                    told = True
                time.sleep(0.1)
        yield
