"""Seeded random numbers that are the same on every Python version and machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1


class Draws:
    """A splitmix64 stream. Data must be byte-stable, and `random.Random` guarantees that for `random()` only."""

    def __init__(self, *key: str | int) -> None:
        """Streams with different keys (such as a split's name, a seed and an index) are independent."""
        text = "\x1f".join(str(part) for part in key)
        self._state = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")

    def next(self) -> int:
        """The next 64-bit number."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def below(self, n: int) -> int:
        """A number in 0..n-1. The modulo bias is negligible for the small n used here."""
        return self.next() % n

    def between(self, low: int, high: int) -> int:
        """A number in low..high, inclusive."""
        return low + self.below(high - low + 1)

    def chance(self, percent: float) -> bool:
        """True with a probability of `percent` %, in steps of 0.01 %."""
        return self.below(10_000) < percent * 100

    def pick(self, items: Sequence[T]) -> T:
        """A random item."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All items in random order."""
        left = list(items)
        for i in range(len(left) - 1, 0, -1):
            j = self.below(i + 1)
            left[i], left[j] = left[j], left[i]
        return left
