"""How far the draft's confidence can be trusted: confidence against what came true, in bins of equal width."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.shards import Ints

BINS = 10


class Calibration:
    """Counts of predictions by confidence."""

    def __init__(self) -> None:
        self._count, self._right = (np.zeros(BINS, np.int64) for _ in range(2))
        self._sure: Ints = np.zeros(BINS)

    def add(self, confidence: Ints, right: Ints) -> None:
        """Counts predictions: their probability, and whether they came true; both of one shape."""
        sure = confidence.astype(np.float64).ravel()
        places = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
        self._count += np.bincount(places, minlength=BINS)
        self._right += np.bincount(places[right.ravel()], minlength=BINS)
        self._sure += np.bincount(places, weights=sure, minlength=BINS)

    def report(self) -> dict[str, Any]:
        """Bins and the expected calibration error: the mean distance of confidence and frequency, by predictions."""
        total = int(self._count.sum())
        return {
            "predictions": total,
            "error": float(np.abs(self._sure - self._right).sum() / total) if total else 0.0,
            "bins": [
                {
                    "from": number / BINS,
                    "to": (number + 1) / BINS,
                    "count": int(count),
                    "confidence": float(self._sure[number] / count) if count else None,
                    "frequency": float(self._right[number] / count) if count else None,
                }
                for number, count in enumerate(self._count)
            ],
        }
