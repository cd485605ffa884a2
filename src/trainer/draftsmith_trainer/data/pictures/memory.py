"""Anonymous memory that child processes can map, and a first-fit allocator for it."""

from __future__ import annotations

import bisect
import mmap
import os
import tempfile

#: Regions begin at multiples of this, so that copies to a device and vector instructions start at whole cache lines.
ALIGNMENT = 256


class SharedMemory:
    """``size`` bytes behind a file descriptor that has no name.

    A segment with a name would outlive a trainer that is killed, and lies in /dev/shm, for which containers have 64 MB
    by default: writing past that ends the process with SIGBUS. Pages are taken from the system when first written.
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
        """Closes the descriptor. The mapping goes with the last tensor that shows a part of it."""
        os.close(self.descriptor)


class Allocator:
    """Hands out byte ranges of ``size`` bytes, lowest first, and joins neighbours that come back."""

    def __init__(self, size: int) -> None:
        self._free = [(0, size)]

    def take(self, size: int) -> int | None:
        """The start of a range of ``size`` bytes, None when no gap is large enough."""
        size = _rounded(size)
        for at, (start, end) in enumerate(self._free):
            if end - start >= size:
                self._free[at : at + 1] = [(start + size, end)] if end - start > size else []
                return start
        return None

    def give(self, start: int, size: int) -> None:
        """Takes back a range."""
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
        """Bytes in all gaps together."""
        return sum(end - start for start, end in self._free)


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
