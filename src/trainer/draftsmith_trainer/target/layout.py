"""Where the documents of a packed sequence are: what attention and recurrent layers need to keep them apart."""

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
        bounds: int32 [segments + 1], cumulative lengths. wide: the same as int64 (some kernels insist on it, and
            remember what they derived from the very tensor).
        places: int32 [T], each token's place in its segment.
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
        """The same layout with its tensors on a device; does not wait for the copies."""
        moved = (x.to(device, non_blocking=True) for x in (self.bounds, self.wide, self.places))
        return Layout(self.lengths, *moved)

    @property
    def longest(self) -> int:
        """Tokens of the longest segment."""
        return max(self.lengths)

    @property
    def groups(self) -> list[tuple[int, int]]:
        """Runs of equally long segments: (how many, how long)."""
        return [(len(list(run)), length) for length, run in groupby(self.lengths)]


@dataclass
class _Current:
    text: Layout | None = None
    pictures: Layout | None = None


#: The layouts of the forward pass that is running. transformers hands keyword arguments on to layers differently from
#: version to version (the tower gets some of them twice), so attention functions look here instead.
current = _Current()


@contextmanager
def active(text: Layout | None = None, pictures: Layout | None = None) -> Iterator[None]:
    """Makes layouts current for the body."""
    before = (current.text, current.pictures)
    current.text, current.pictures = text, pictures
    try:
        yield
    finally:
        current.text, current.pictures = before
