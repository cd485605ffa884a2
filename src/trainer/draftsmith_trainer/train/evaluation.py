"""Evaluation while training: held-out rows shared over the ranks, whatever their lengths."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict

import numpy as np

from ..base.events import Events
from ..data.order import rank_part
from ..feed import StateSource
from ..measure.measurer import Measurer
from ..measure.tally import Tally
from ..parallel.ranks import Ranks
from .corpus import Corpus

#: Seconds between reports of a rank that waits for others.
_NEWS = 1.0
#: Seconds between checks whether another rank was asked to stop.
_LOOK = 0.5
_ROWS, _STOP = "rows", "stop"


class _Stopped(Exception):  # noqa: N818 - leaves the measurement, nothing is wrong
    """Raised between passes when a rank was asked to stop."""


class SharedEvaluation:
    """Walks the held-out rows on all ranks and adds up what they found.

    Each rank walks the same rows in every evaluation, so that states which it keeps are used again: shares are equal by
    tokens of context and blocks. No collective runs meanwhile: a rank that is done waits on the board, without a
    time-out, for as long as the others live. Only the passes of a sharded target are collectives: all ranks run equally
    many, one by one, and agree before each of them whether to stop.

    Args:
        asked: whether this process was asked to stop.
    """

    def __init__(
        self,
        corpus: Corpus,
        measurer: Measurer,
        source: StateSource,
        ranks: Ranks,
        events: Events,
        asked: Callable[[], bool],
    ) -> None:
        facts = corpus.heldout_facts.take(corpus.measured)
        costs = facts.tokens + facts.anchors * measurer.block_size
        shares = [rank_part(corpus.measured, costs.astype(np.int64), rank, ranks.world) for rank in range(ranks.world)]
        self._mine = shares[ranks.rank]
        self._rows, self._total = corpus.heldout, len(corpus.measured)
        self._measurer, self._source, self._ranks = measurer, source, ranks
        self._events, self._asked = events, asked
        self._done = self._of_all = 0
        self._looked = self._told = 0.0
        self._sharded, self._idle = source.sharded, 0
        if self._sharded:
            passes = [measurer.passes([self._rows[int(i)] for i in share]) for share in shares]
            self._idle = max(passes) - passes[ranks.rank]

    def run(self) -> Tally | None:
        """The tally of all rows, the same on all ranks; None when any rank was asked to stop before it was done.

        Raises:
            UserError: ``rank-lost``, and what reading rows and pictures raises.
        """
        self._done, self._of_all, gate = 0, 0, self._source.gate
        self._tell()
        self._source.gate = self._agree
        try:
            rows = [self._rows[int(i)] for i in self._mine]
            mine = self._measurer.tally(rows, self._source, "heldout", self._after_pass)
            self._source.idle(self._idle)
            message = json.dumps(asdict(mine))
        except _Stopped:
            message = ""
        finally:
            self._source.gate = gate
        # Every rank decides from the same gathered messages, so all take the same branch.
        said = self._ranks.gather(message, self._asked, self._waiting)
        if not all(said):
            return None
        total = Tally(self._measurer.block_size)
        for text in said:
            total.merge(Tally(**json.loads(text)))
        return total

    def _after_pass(self, rows: int) -> None:
        board = self._ranks.board
        self._done += rows
        self._of_all = self._done if board is None or self._sharded else board.count(_ROWS, rows)
        if not self._sharded and (self._asked() or self._others_asked()):
            if board is not None:
                board.call(_STOP)
            raise _Stopped
        self._tell()

    def _agree(self) -> None:
        """Before a pass of a sharded target, which all ranks run or none."""
        told = [json.loads(one) for one in self._ranks.gather(json.dumps([self._done, self._asked()]), self._asked)]
        self._of_all = sum(done for done, _ in told)
        if any(asked for _, asked in told):
            raise _Stopped

    def _others_asked(self) -> bool:
        now = time.monotonic()
        if self._ranks.board is None or now - self._looked < _LOOK:
            return False
        self._looked = now
        return self._ranks.board.called(_STOP)

    def _waiting(self, missing: list[int]) -> None:
        board = self._ranks.board
        if board is not None and self._asked() and not board.called(_STOP):
            board.call(_STOP)
        if time.monotonic() - self._told > _NEWS:
            self._of_all = self._done if board is None or self._sharded else board.count(_ROWS, 0)
            self._tell(f", waiting for rank{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing))}")

    def _tell(self, more: str = "") -> None:
        self._told = time.monotonic()
        if self._ranks.first:
            self._events.progress(self._of_all, self._total, "held-out rows", note=f"evaluating{more}")
