"""One worker process as the trainer sees it."""

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
#: Seconds that a worker has to end after its input was closed: it may be amid a large picture.
_GRACE = 5.0


class WorkerProcess:
    """Starts a worker. A program of its own, not a fork: a process that has used CUDA must not be forked.

    It ends when its standard input closes, hence also when the trainer is killed. It has a process group of its own, so
    that Ctrl-C at the terminal reaches only the trainer, which saves its state before it lets the workers go.
    """

    def __init__(self, memory: SharedMemory, directory: Path) -> None:
        # The trainer may have been found by a changed sys.path: a worker finds the same package.
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
        #: Orders without an answer yet, by ticket.
        self.open: dict[int, Any] = {}

    def fileno(self) -> int:
        """What to wait on for answers."""
        return self._answers.fileno()

    def send(self, order: list[Any]) -> None:
        """Hands over one order.

        Raises:
            OSError: the process has ended.
        """
        self._orders.write(json.dumps(order).encode() + b"\n")
        self._orders.flush()

    def answers(self) -> list[list[Any]] | None:
        """The answers that have come since the last call; None when the process has ended."""
        data = os.read(self._answers.fileno(), 1 << 16)
        *lines, self._unread = (self._unread + data).split(b"\n")
        return [json.loads(line) for line in lines] if data else None

    def ending(self) -> tuple[str, str]:
        """How it ended, in words, and what to do about it."""
        try:
            code = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            return "closed its output", "the lines on standard error say why"
        if code < 0:
            hint = "the system ends processes when memory runs out: use fewer picture workers, or fewer other programs"
            return f"was ended by {signal.Signals(-code).name}", hint
        return f"ended with exit code {code}", "the lines on standard error say why"

    def ask_to_end(self) -> None:
        """Closes its input."""
        with contextlib.suppress(OSError):
            self._orders.close()

    def end(self) -> None:
        """Waits for its end, and enforces it."""
        self.ask_to_end()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
