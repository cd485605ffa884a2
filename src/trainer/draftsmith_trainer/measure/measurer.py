"""Drafts at every candidate position of rows and walks the rows' responses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
from .tally import Tally
from .walk import correct_prefix, walk

#: Rows planned together: enough to fill packs, few enough that their plans take little memory.
_ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class ResponseWalk:
    """The steps of one response of a row: ``accepted[i]`` drafted tokens in step i."""

    row: Row
    response: int
    start: int
    end: int
    accepted: list[int]


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
                total.add(one.start, one.end, one.accepted)
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

    def walks(self, work: PackWork, states: Tensor) -> list[ResponseWalk]:
        """The walks over every response of the rows of ``work``, in order, from their captured states."""
        prefixes = {id(row): np.zeros(len(row), np.int64) for row in work.rows}
        for part in work.parts:
            proposed = self.propose(states, part).cpu()
            first = 0
            for row, anchors in part.owners:
                mine = proposed[first : first + len(anchors)]
                prefixes[id(row)][anchors] = correct_prefix(mine, row.input_ids, anchors, _ends(row, anchors))
                first += len(anchors)
        return [
            ResponseWalk(row, number, start, end, walk(start, end, prefixes[id(row)][start : max(start, end - 1)]))
            for row in work.rows
            for number, (start, end) in enumerate(row.spans)
        ]

    @torch.no_grad()
    def propose(self, states: Tensor, part: Part) -> Tensor:
        """Greedily drafted tokens for a part's blocks, int64 [N, B-1]."""
        part = part.to(states.device)
        with torch.autocast(states.device.type, torch.bfloat16, enabled=self._autocast):
            hidden = run_batch(self._draft, self._target.embed, states, part.batch, part.attend)
        ids = part.batch.ids[: part.batch.blocks, 0]
        return self._algorithm.propose(self._draft, hidden[: part.batch.blocks], ids, self._target.lm_head)


def walk_anchors(row: Row) -> Ints:
    """Every position of a row that a walk may draft from, ascending: all of a response but its last token."""
    made: Ints = np.concatenate([np.zeros(0, np.int64), *(np.arange(start, end - 1) for start, end in row.spans)])
    return made


def _ends(row: Row, anchors: Ints) -> Ints:
    """For each anchor, the end of the response that contains it."""
    starts, ends = (np.array(side, np.int64) for side in zip(*row.spans, strict=True))
    found: Ints = ends[np.searchsorted(starts, anchors, side="right") - 1]
    return found
