"""Prefetching: computes values on another thread before they are requested."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made")


class Ahead(Generic[Key, Made]):
    """Results of ``make`` by key, computed ahead of time for announced keys.

    Args:
        threads: 0 computes everything on request, on the caller's thread.
    """

    def __init__(self, make: Callable[[Key], Made], threads: int = 1) -> None:
        self._make = make
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead") if threads else None
        self._coming: dict[Key, Future[Made]] = {}

    def expect(self, key: Key) -> None:
        """Announces a key that will be requested soon. Announcing it again has no effect."""
        if self._pool is not None and key not in self._coming:
            self._coming[key] = self._pool.submit(self._make, key)

    def take(self, key: Key) -> Made:
        """Removes and returns the result for ``key``, or raises the exception from computing it."""
        coming = self._coming.pop(key, None)
        return coming.result() if coming is not None else self._make(key)

    def close(self) -> None:
        """Drops announced results that were never requested, and stops the threads."""
        for coming in self._coming.values():
            coming.cancel()
        self._coming.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def announced(things: Iterable[Made], expect: Callable[[Made], None], ahead: int = 2) -> Iterator[Made]:
    """Yields the items unchanged and in order, passing each to ``expect`` ``ahead`` items before it is yielded."""
    waiting: deque[Made] = deque()
    for thing in things:
        expect(thing)
        waiting.append(thing)
        if len(waiting) > ahead:
            yield waiting.popleft()
    yield from waiting
