"""The known algorithms by name."""

from __future__ import annotations

from ..draft.config import DraftConfig
from .algorithm import Algorithm
from .plain.plain import Plain

ALGORITHMS: dict[str, Algorithm] = {algorithm.name: algorithm for algorithm in (Plain(),)}


def algorithm_of(config: DraftConfig) -> Algorithm:
    """The algorithm of a draft with this config."""
    return ALGORITHMS[config.algorithm.name]
