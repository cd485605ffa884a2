"""Learning rate over the run: linear warm-up, then half a cosine."""

from __future__ import annotations

import math


def learning_rate(step: int, total: int, peak: float, warmup: float, floor: float) -> float:
    """The rate for optimizer step ``step`` (0-based) of ``total``.

    Args:
        warmup: share of the steps that rise from peak / n to peak.
        floor: the last step's rate, as a share of peak.
    """
    rising = round(warmup * total)
    if step < rising:
        return peak * (step + 1) / rising
    progress = (step - rising) / max(1, total - rising)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))
