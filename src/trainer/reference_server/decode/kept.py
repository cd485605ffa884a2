"""A small thread-safe store of what was computed lately, limited by memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """The most recently used values, up to a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._values: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> T | None:
        """The value of a name, if it is still there."""
        with self._lock:
            found = self._values.get(name)
            if found is None:
                return None
            self._values.move_to_end(name)
            return found[0]

    def put(self, name: str, value: T, size: int) -> None:
        """Keeps a value of ``size`` bytes; the longest unused go, this one too if it is larger than all the room."""
        with self._lock:
            if name in self._values:
                self._size -= self._values.pop(name)[1]
            self._values[name] = (value, size)
            self._size += size
            while self._size > self._max_bytes:
                _, (_, gone) = self._values.popitem(last=False)
                self._size -= gone

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._values.clear()
            self._size = 0
