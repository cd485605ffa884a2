"""Figures by place over the steps of a draft's walk: loss, confidence, calibration, and what its candidates hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.shards import Ints
from ..measure.measurer import ResponseWalk
from ..measure.oracle import inside, oracle_steps
from ..measure.tally import Tally
from .calibration import Calibration

#: Candidates that an oracle may choose from at every place. Selectors of published heads read 8 or 16.
CANDIDATES = (1, 2, 4, 8, 16)


class PlaceFigures:
    """Sums over the steps of one draft; see :class:`..measure.places.PlaceMarks` for what is summed."""

    def __init__(self, block_size: int) -> None:
        places = block_size - 1
        self._oracles = {k: Tally(block_size) for k in CANDIDATES}
        self._tokens, self._prefixes = Calibration(), Calibration()
        self._offered, self._reached, self._accepted = (np.zeros(places, np.int64) for _ in range(3))
        self._loss, self._loss_reached, self._sure = (np.zeros(places) for _ in range(3))
        self._among = np.zeros((len(CANDIDATES), places), np.int64)
        self._expected = 0.0

    def add(self, one: ResponseWalk) -> None:
        """Counts a marked walk with at least one step."""
        marks = one.marks
        assert marks is not None
        for candidates, tally in self._oracles.items():
            tally.add(one.start, one.end, oracle_steps(one.start, one.end, marks, candidates))
        places = marks.ranks.shape[1]
        at = np.cumsum([0, *(accepted + 1 for accepted in one.accepted[:-1])])
        offered = inside(one.start, one.end, places)[at]
        prefix = one.prefixes[at][:, None]
        place = np.arange(1, places + 1)
        reached, accepted = offered & (prefix >= place - 1), offered & (prefix >= place)
        loss, sure = marks.losses[at].astype(np.float64), marks.confidence[at].astype(np.float64)
        self._offered += offered.sum(axis=0)
        self._reached += reached.sum(axis=0)
        self._accepted += accepted.sum(axis=0)
        self._loss += np.where(offered, loss, 0).sum(axis=0)
        self._loss_reached += np.where(reached, loss, 0).sum(axis=0)
        self._sure += np.where(reached, sure, 0).sum(axis=0)
        for number, candidates in enumerate(CANDIDATES):
            self._among[number] += (offered & (marks.ranks[at] < candidates)).sum(axis=0)
        self._tokens.add(sure[reached], accepted[reached])
        whole = np.cumprod(np.where(offered, sure, 0), axis=1)
        self._prefixes.add(whole[offered], accepted[offered])
        self._expected += float(whole.sum())

    def report(self) -> dict[str, Any]:
        """The figures as JSON."""
        steps = max(1, int(self._offered[0]) if len(self._offered) else 1)
        return {
            "places": [self._place(number) for number in range(len(self._offered))],
            "oracle": [self._oracle(candidates, tally) for candidates, tally in self._oracles.items()],
            "calibration": {
                "tokens": self._tokens.report(),
                "prefixes": self._prefixes.report(),
                "expectedAcceptLength": 1 + self._expected / steps,
            },
        }

    def _place(self, number: int) -> dict[str, Any]:
        offered, reached = int(self._offered[number]), int(self._reached[number])
        return {
            "place": number + 1,
            "offered": offered,
            "reached": reached,
            "accepted": int(self._accepted[number]),
            "loss": _ratio(self._loss[number], offered),
            "lossReached": _ratio(self._loss_reached[number], reached),
            "confidence": _ratio(self._sure[number], reached),
            "among": [
                {"candidates": k, "share": _ratio(self._among[i][number], offered)} for i, k in enumerate(CANDIDATES)
            ],
        }

    @staticmethod
    def _oracle(candidates: int, tally: Tally) -> dict[str, Any]:
        report = tally.report()
        return {
            "candidates": candidates,
            **{key: report[key] for key in ("pooledAcceptLength", "meanAcceptLength", "tokensPerStep", "steps")},
            "rates": [place["rate"] for place in report["perPosition"]],
        }


def _ratio(total: float | Ints, count: int) -> float | None:
    return float(total) / count if count else None
