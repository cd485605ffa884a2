"""The walk of a draft that may choose among its first candidates at every place: the bound of any reranking of them."""

from __future__ import annotations

import numpy as np

from ..data.shards import Ints
from .places import PlaceMarks
from .walk import walk


def inside(start: int, end: int, places: int) -> Ints:
    """Whether place k of the block at anchor ``start + i`` lies in the response [start, end): bool [n, places]."""
    anchors = np.arange(max(0, end - start - 1))[:, None]
    made: Ints = anchors + np.arange(1, places + 1) < end - start
    return made


def oracle_steps(start: int, end: int, marks: PlaceMarks, candidates: int) -> list[int]:
    """Accepted tokens in each step, had the right token been chosen wherever it is among the first ``candidates``.

    With one candidate these are the steps of a draft that proposes its most likely tokens.
    """
    among = (marks.ranks < candidates) & inside(start, end, marks.ranks.shape[1])
    return walk(start, end, np.logical_and.accumulate(among, axis=1).sum(axis=1))
