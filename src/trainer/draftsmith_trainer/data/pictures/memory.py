"""Anonymous memory that child processes can map, and a first-fit allocator for it."""

from __future__ import annotations

import bisect
import mmap
import os
import tempfile

#: Byte alignment of regions, so that device copies and vector instructions start on cache lines.
ALIGNMENT = 256


class SharedMemory:
    """``size`` bytes of anonymous shared memory behind a file descriptor.

    A named segment would outlive a killed trainer, and would lie in /dev/shm, which containers limit to 64 MB by
    default: writing past that raises SIGBUS. Pages are allocated on first write.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        if hasattr(os, "memfd_create"):
            self.descriptor = os.memfd_create("draftsmith-pictures", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as file:
                self.descriptor = os.dup(file.fileno())
        os.ftruncate(self.descriptor, size)
        self.map = mmap.mmap(self.descriptor, size)

    def close(self) -> None:
        """Closes the descriptor. The mapping is freed with the last tensor that views it."""
        os.close(self.descriptor)


class Allocator:
    """A first-fit allocator over ``size`` bytes that merges adjacent free ranges."""

    def __init__(self, size: int) -> None:
        self._free = [(0, size)]

    def take(self, size: int) -> int | None:
        """Allocates ``size`` bytes and returns their offset, or None when no free range is large enough."""
        size = _rounded(size)
        for at, (start, end) in enumerate(self._free):
            if end - start >= size:
                self._free[at : at + 1] = [(start + size, end)] if end - start > size else []
                return start
        return None

    def give(self, start: int, size: int) -> None:
        """Frees a range."""
        end = start + _rounded(size)
        at = bisect.bisect(self._free, (start, end))
        if at < len(self._free) and self._free[at][0] == end:
            end = self._free.pop(at)[1]
        if at and self._free[at - 1][1] == start:
            at -= 1
            start = self._free.pop(at)[0]
        self._free.insert(at, (start, end))

    @property
    def free(self) -> int:
        """Total free bytes."""
        return sum(end - start for start, end in self._free)


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
