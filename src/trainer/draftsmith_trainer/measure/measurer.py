"""Drafts at every candidate position of rows and walks the rows' responses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..algorithms.registry import algorithm_of
from ..data.shards import Ints, Row
from ..draft.model import DFlashDraft
from ..draft.passes import run_batch
from ..feed import PackWork, Part, Preparer, StateSource
from ..feed.ahead import announced
from ..target import Target
from .places import PlaceMarks, blank_marks, place_marks
from .tally import Tally
from .walk import correct_prefix, walk

#: Rows planned together: enough to fill packs, few enough that their plans take little memory.
_ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class ResponseWalk:
    """The walk over one response of a row.

    Attributes:
        accepted: drafted tokens that entered the output, per verification step.
        prefixes: int64 [end - start - 1], the correct prefix at each candidate anchor, visited by the walk or not.
        marks: of the same anchors, where they were asked for.
    """

    row: Row
    response: int
    start: int
    end: int
    accepted: list[int]
    prefixes: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    marks: PlaceMarks | None = None


class Measurer:
    """Measures one draft on rows.

    Args:
        preparer: plans the passes, packed or row by row.
    """

    def __init__(self, target: Target, draft: DFlashDraft, preparer: Preparer, autocast: bool = False) -> None:
        self._target, self._draft = target, draft
        self._algorithm = algorithm_of(draft.config)
        self._preparer, self._autocast = preparer, autocast
        self.block_size = draft.config.block_size

    def tally(
        self, rows: Sequence[Row], source: StateSource, split: str, done: Callable[[int], None] | None = None
    ) -> Tally:
        """Sums over all responses of ``rows``.

        Args:
            done: called after every pass with its number of rows; an exception from it ends the measurement.
        """
        total = Tally(self.block_size)
        for work in announced(self.plan(rows), partial(source.expect, split)):
            for one in self.walks(work, source.states(split, work, self._preparer.multiple)):
                total.add(one.start, one.end, one.accepted, one.row.dialogue_id, one.prefixes)
            if done is not None:
                done(len(work.rows))
        return total

    def plan(self, rows: Sequence[Row]) -> Iterator[PackWork]:
        """Work with a block at every position that a walk can reach."""
        size = _ROWS_AT_ONCE if self._preparer.packed else 1
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            yield from self._preparer.prepare(some, [walk_anchors(row) for row in some])

    def passes(self, rows: Sequence[Row]) -> int:
        """Passes of the target that :meth:`tally` of ``rows`` runs."""
        size = _ROWS_AT_ONCE if self._preparer.packed else 1
        return sum(self._preparer.passes(rows[start : start + size]) for start in range(0, len(rows), size))

    def walks(self, work: PackWork, states: Tensor, marked: bool = False) -> list[ResponseWalk]:
        """The walks over every response of the rows of ``work``, in order, from their captured states.

        Args:
            marked: also computes :class:`.PlaceMarks`, which takes another product with lm_head.
        """
        prefixes = {id(row): np.zeros(len(row), np.int64) for row in work.rows}
        marks = {id(row): blank_marks(len(row), self.block_size - 1) for row in work.rows} if marked else {}
        for part in work.parts:
            proposed, found = self._drafted(states, part, marked)
            first = 0
            for row, anchors in part.owners:
                after = first + len(anchors)
                mine = proposed[first:after]
                prefixes[id(row)][anchors] = correct_prefix(mine, row.input_ids, anchors, _ends(row, anchors))
                if found is not None:
                    _put(marks[id(row)], anchors, found.rows(first, after))
                first = after
        return [
            _response(row, number, start, end, prefixes[id(row)], marks.get(id(row)))
            for row in work.rows
            for number, (start, end) in enumerate(row.spans)
        ]

    @torch.no_grad()
    def _drafted(self, states: Tensor, part: Part, marked: bool) -> tuple[Tensor, PlaceMarks | None]:
        """Greedily drafted tokens for a part's blocks, int64 [N, B-1] on the CPU, and their marks if asked for."""
        part = part.to(states.device)
        with torch.autocast(states.device.type, torch.bfloat16, enabled=self._autocast):
            hidden = run_batch(self._draft, self._target.embed, self._target.context(states), part.batch, part.attend)
        batch, lm_head = part.batch, self._target.lm_head
        hidden = hidden[: batch.blocks]
        proposed = self._algorithm.propose(self._draft, hidden, batch.ids[: batch.blocks, 0], lm_head)
        marks = place_marks(hidden, proposed, batch.places, batch.labels, lm_head) if marked else None
        return proposed.cpu(), marks


def _response(row: Row, number: int, start: int, end: int, prefixes: Ints, marks: PlaceMarks | None) -> ResponseWalk:
    last = max(start, end - 1)
    own = prefixes[start:last]
    return ResponseWalk(
        row, number, start, end, walk(start, end, own), own, None if marks is None else marks.rows(start, last)
    )


def _put(marks: PlaceMarks, anchors: Ints, found: PlaceMarks) -> None:
    marks.ranks[anchors], marks.losses[anchors], marks.confidence[anchors] = (
        found.ranks,
        found.losses,
        found.confidence,
    )


def walk_anchors(row: Row) -> Ints:
    """Every position of a row that a walk may draft from, ascending: all of a response but its last token."""
    made: Ints = np.concatenate([np.zeros(0, np.int64), *(np.arange(start, end - 1) for start, end in row.spans)])
    return made


def _ends(row: Row, anchors: Ints) -> Ints:
    """For each anchor, the end of the response that contains it."""
    starts, ends = (np.array(side, np.int64) for side in zip(*row.spans, strict=True))
    found: Ints = ends[np.searchsorted(starts, anchors, side="right") - 1]
    return found
