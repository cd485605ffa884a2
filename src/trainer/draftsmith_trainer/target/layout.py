"""The bounds of the documents in a packed sequence, which attention and recurrent layers need to keep them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, groupby

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """Segments of one packed sequence: documents of a text, or pictures of a tower call.

    Attributes:
        lengths: tokens per segment, on the host.
        bounds: int32 [segments + 1], cumulative lengths. wide: the same as int64, which some kernels require; they
            cache derived values by tensor identity.
        places: int32 [T], each token's index in its segment.
    """

    lengths: tuple[int, ...]
    bounds: Tensor
    wide: Tensor
    places: Tensor

    @staticmethod
    def of(lengths: Sequence[int]) -> Layout:
        """The layout of consecutive segments of these lengths, on the CPU."""
        wide = torch.tensor([0, *accumulate(lengths)], dtype=torch.int64)
        places = torch.cat([torch.arange(length, dtype=torch.int32) for length in lengths])
        return Layout(tuple(lengths), wide.int(), wide, places)

    def to(self, device: torch.device) -> Layout:
        """A copy with its tensors on ``device``; the transfers are asynchronous."""
        moved = (x.to(device, non_blocking=True) for x in (self.bounds, self.wide, self.places))
        return Layout(self.lengths, *moved)

    @property
    def longest(self) -> int:
        """Length of the longest segment in tokens."""
        return max(self.lengths)

    @property
    def groups(self) -> list[tuple[int, int]]:
        """Runs of consecutive segments of equal length: (count, length)."""
        return [(len(list(run)), length) for length, run in groupby(self.lengths)]


@dataclass
class _Current:
    text: Layout | None = None
    pictures: Layout | None = None


#: The layouts of the forward pass in progress. How transformers forwards keyword arguments to layers varies between
#: versions (the tower gets some of them twice), so attention functions read them from here.
current = _Current()


@contextmanager
def active(text: Layout | None = None, pictures: Layout | None = None) -> Iterator[None]:
    """Makes the layouts current within the body."""
    before = (current.text, current.pictures)
    current.text, current.pictures = text, pictures
    try:
        yield
    finally:
        current.text, current.pictures = before
