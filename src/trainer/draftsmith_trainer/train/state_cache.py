"""Decides once, at the start of a run, whether to cache captured target states."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..data.survey import RowFacts
from .extent import Extent

#: Minimum share of target passes that a cache must save to be worth its memory and device copies.
WORTH = 0.05

_MIB = 2**20


@dataclass(frozen=True)
class CacheDecision:
    """What to do with ``stateCacheMb``.

    Attributes:
        budget_mb: MiB of cache per process; 0 caches nothing.
        saved: share of the run's target passes that the cache would save.
        reason: a sentence for the log.
    """

    budget_mb: int
    saved: float
    reason: str


def decide_cache(
    budget_mb: int, train: RowFacts, measured: RowFacts, extent: Extent, world: int, state_bytes: int
) -> CacheDecision:
    """Decides whether captured states are kept.

    Held-out rows come first (they are measured before the first step and belong to the same process every time), then
    training rows in the order in which they are met. A training row may come to any process, so with several a kept
    row is met again by the process that keeps it in one epoch out of ``world`` only.

    Args:
        budget_mb: the option ``stateCacheMb``.
        train: the training rows in use. measured: the held-out rows that evaluations walk.
        state_bytes: bytes of one token's captured states, K * H numbers.
    """
    if budget_mb == 0:
        return CacheDecision(0, 0.0, "captured states are not kept (stateCacheMb 0)")
    budget = budget_mb * _MIB
    held = math.ceil(_bytes(measured, state_bytes) / world)
    kept_held = min(held, budget)
    trained = _bytes(train, state_bytes)
    share_held = kept_held / held if held else 0.0
    share_train = min(1.0, (budget - kept_held) / trained) if trained else 0.0
    passes = len(train) * extent.passes + len(measured) * extent.evaluations
    spared = len(train) * _reused(share_train, extent.passes, world)
    spared += len(measured) * share_held * (extent.evaluations - 1)
    saved = spared / passes if passes else 0.0
    whole = math.ceil((held + trained) / _MIB)
    facts = (
        f"all states take {_size(whole)} a process, stateCacheMb {budget_mb:,} saves {_percent(saved)} of target passes"
    )
    if saved < WORTH:
        return CacheDecision(0, saved, f"captured states are not kept: {facts}")
    return CacheDecision(budget_mb, saved, f"captured states are kept: {facts}")


def _bytes(facts: RowFacts, state_bytes: int) -> int:
    """Bytes of the rows' states and of the three int64 positions of each token."""
    return int(facts.context.sum()) * state_bytes + int(facts.tokens.sum()) * 24


def _reused(share: float, passes: float, world: int) -> float:
    """How many of ``passes`` over the training rows need no target, when each process can keep ``share`` of them."""
    total, epoch = 0.0, 1
    while passes - epoch > 0:
        met_here_before = 1 - (1 - 1 / world) ** epoch
        total += min(1.0, passes - epoch) * min(share, met_here_before)
        epoch += 1
    return total


def _size(mib: int) -> str:
    return f"{mib:,} MiB" if mib < 10_240 else f"{mib / 1024:,.0f} GiB"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else "under 1 %"
