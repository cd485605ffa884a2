"""A small thread-safe LRU cache, limited by memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Keeps the most recently used values, up to a total size in bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._values: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> T | None:
        """The value stored under ``name``, or None if there is none or it was evicted."""
        with self._lock:
            found = self._values.get(name)
            if found is None:
                return None
            self._values.move_to_end(name)
            return found[0]

    def put(self, name: str, value: T, size: int) -> None:
        """Stores a value of ``size`` bytes; evicts the least recently used, and itself if it exceeds the limit."""
        with self._lock:
            if name in self._values:
                self._size -= self._values.pop(name)[1]
            self._values[name] = (value, size)
            self._size += size
            while self._size > self._max_bytes:
                _, (_, gone) = self._values.popitem(last=False)
                self._size -= gone

    def clear(self) -> None:
        """Removes all values."""
        with self._lock:
            self._values.clear()
            self._size = 0
