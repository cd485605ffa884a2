"""Caches the states of finished sequences, so that the next turn of a conversation computes only its new tokens."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .cache import RowState

Key = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Entry:
    """The cached state of one sequence.

    Attributes:
        key: see ``Prompt.key``.
        state: keys and values, and recurrent states.
        captured: [length, K*H], the outputs of captured layers, which a draft needs for the whole context.
    """

    key: Key
    state: RowState
    captured: Tensor | None = None

    @property
    def size(self) -> int:
        """Size in bytes."""
        captured = 0 if self.captured is None else self.captured.numel() * self.captured.element_size()
        return self.key.nbytes + self.state.size + captured


def common_prefix(a: Key, b: Key) -> int:
    """Number of leading elements that a and b share."""
    n = min(len(a), len(b))
    differ = np.flatnonzero(a[:n] != b[:n])
    return int(differ[0]) if len(differ) else n


class PrefixCache:
    """Keeps the most recently used entries, up to a total size in bytes."""

    def __init__(self, max_bytes: int, whole_only: bool = False) -> None:
        """``whole_only``: use an entry only for prompts that contain all of it: recurrent states cannot be cut."""
        self.max_bytes = max_bytes
        self.whole_only = whole_only
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._next = 0
        self.size = 0

    def find(self, key: Key) -> tuple[Entry, int] | None:
        """The entry with the longest usable prefix of a prompt, and that prefix's length (less than the prompt's)."""
        best: tuple[int, Entry, int] | None = None
        for number, entry in self._entries.items():
            # Most entries can be told by one element: a longer match has the same one where the best so far ends.
            at = 0 if best is None else best[2]
            if at >= len(key) - 1 or at >= len(entry.key) or entry.key[at] != key[at]:
                continue
            shared = min(common_prefix(entry.key, key), len(key) - 1)
            if self.whole_only and shared < len(entry.key):
                continue
            if shared > 0 and (best is None or shared > best[2]):
                best = (number, entry, shared)
        if best is None:
            return None
        self._entries.move_to_end(best[0])
        return best[1], best[2]

    def keep(self, entry: Entry) -> None:
        """Adds an entry and removes entries that are prefixes of it."""
        if entry.size > self.max_bytes:
            return
        for number, old in list(self._entries.items()):
            size = len(old.key)
            if size > len(entry.key) or (size and old.key[-1] != entry.key[size - 1]):
                continue
            if common_prefix(old.key, entry.key) == size:
                self._drop(number)
        self._entries[self._next] = entry
        self._next += 1
        self.size += entry.size
        while self.size > self.max_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Removes all entries."""
        self._entries.clear()
        self.size = 0

    def _drop(self, number: int) -> None:
        self.size -= self._entries.pop(number).size
