"""The trainer's handle on one worker process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from .memory import SharedMemory

_PACKAGE = __package__.partition(".")[0]
#: Seconds a worker has to exit after its input is closed: it may be decoding a large picture.
_GRACE = 5.0


class WorkerProcess:
    """Starts a worker as a new program, not a fork: a process that has used CUDA must not be forked.

    The worker exits when its standard input closes, and so also when the trainer is killed. It has its own process
    group, so that Ctrl-C at the terminal reaches only the trainer, which saves its state before it stops the workers.
    """

    def __init__(self, memory: SharedMemory, directory: Path) -> None:
        # The trainer may have been imported through a modified sys.path; the worker must find the same package.
        paths = [str(Path(sys.modules[_PACKAGE].__path__[0]).parent), os.environ.get("PYTHONPATH", "")]
        command = [sys.executable, "-m", f"{__package__}.worker", str(memory.descriptor), str(memory.size)]
        self._process = subprocess.Popen(
            [*command, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            pass_fds=(memory.descriptor,),
            process_group=0,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._orders, self._answers = self._process.stdin, self._process.stdout
        os.set_blocking(self._answers.fileno(), False)
        self._unread = b""
        self.pid = self._process.pid
        #: Unanswered orders, by ticket.
        self.open: dict[int, Any] = {}

    def fileno(self) -> int:
        """The file descriptor to poll for answers."""
        return self._answers.fileno()

    def send(self, order: list[Any]) -> None:
        """Sends one order.

        Raises:
            OSError: the process has exited.
        """
        self._orders.write(json.dumps(order).encode() + b"\n")
        self._orders.flush()

    def answers(self) -> list[list[Any]] | None:
        """The answers received since the last call; None when the process has exited."""
        data = os.read(self._answers.fileno(), 1 << 16)
        *lines, self._unread = (self._unread + data).split(b"\n")
        return [json.loads(line) for line in lines] if data else None

    def ending(self) -> tuple[str, str]:
        """How the process ended, as a phrase, and a hint."""
        try:
            code = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            return "closed its output", "its messages on standard error say why"
        if code < 0:
            hint = "the system kills processes when memory runs out: use fewer picture workers, or close other programs"
            return f"was killed by {signal.Signals(-code).name}", hint
        return f"exited with exit code {code}", "its messages on standard error say why"

    def ask_to_end(self) -> None:
        """Closes its input."""
        with contextlib.suppress(OSError):
            self._orders.close()

    def end(self) -> None:
        """Waits for the process to exit, and kills it after a grace period."""
        self.ask_to_end()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
