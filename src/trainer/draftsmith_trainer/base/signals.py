"""Requests to stop: Ctrl-C, SIGTERM, and SIGUSR1, which Slurm sends ahead of a time limit."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from .errors import Interrupted

#: What asks a run to save and to exit with code 130.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
#: Seconds in which the same request may arrive several times: from the terminal, the launcher and the toolkit.
_ONE_REQUEST = 2.0


class StopRequest:
    """Records that the process was asked to stop. Use as a context manager around the run.

    Attributes:
        asked: whether a request has arrived; the run saves and stops at the next point where that is possible.
        at_once: whether nothing would be lost by stopping immediately, as while loading or compiling for the first
            step: a request then ends the block with :class:`Interrupted`, wherever it is.
    """

    def __init__(self) -> None:
        self.asked = False
        self.at_once = False
        self._since = 0.0
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        if kind is _StopNow:
            raise Interrupted from None

    def _note(self, number: int, _frame: FrameType | None) -> None:
        first, self.asked = not self.asked, True
        if first:
            self._since = time.monotonic()
        if self.at_once:
            raise _StopNow
        if not first and number == signal.SIGINT and time.monotonic() - self._since > _ONE_REQUEST:
            raise KeyboardInterrupt


class _StopNow(KeyboardInterrupt):
    """No subclass of Exception, so that compilers do not take it for a failure of theirs."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Makes every one of :data:`SIGNALS` raise KeyboardInterrupt, as Ctrl-C does: for jobs with nothing to save."""
    before = {number: signal.signal(number, _interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
