"""Writes files on a thread of its own, so that training goes on meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class Writer:
    """Runs jobs one after the other, in the order in which they were submitted.

    The first error of a job is raised by the next call, and no later job runs: what it would build on is missing.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._pending: deque[Future[None]] = deque()
        self._failed = False

    def submit(self, job: Callable[[], None]) -> None:
        """Runs ``job`` after those before it."""
        self.check()
        self._pending.append(self._pool.submit(self._run, job))

    def check(self) -> None:
        """Raises the error of a job that has failed; does not wait."""
        while self._pending and self._pending[0].done():
            self._pending.popleft().result()

    def wait(self) -> None:
        """Until every job is done; raises the error of one that failed."""
        while self._pending:
            self._pending.popleft().result()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # A job that runs is finished even after an error elsewhere: what it writes is complete or absent.
        self._pool.shutdown(wait=True)
        if kind is None:
            self.wait()

    def _run(self, job: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            job()
        except BaseException:
            self._failed = True
            raise
