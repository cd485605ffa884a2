"""Learning rate over the run: linear warm-up, then constant, linear or half a cosine."""

from __future__ import annotations

import math
from typing import Literal

#: What follows the warm-up.
Schedule = Literal["cosine", "constant", "linear"]


def learning_rate(
    step: int, total: int, peak: float, warmup: float, floor: float, schedule: Schedule = "cosine"
) -> float:
    """The rate for optimizer step ``step`` (0-based) of ``total``.

    Args:
        warmup: share of the steps that rise from peak / n to peak.
        floor: what cosine and linear end at, as a share of peak.
        schedule: "constant" stays at peak after the warm-up.
    """
    rising = round(warmup * total)
    if step < rising:
        return peak * (step + 1) / rising
    progress = min(1.0, (step - rising) / max(1, total - rising))
    if schedule == "constant":
        return peak
    if schedule == "linear":
        return peak * (floor + (1 - floor) * (1 - progress))
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
