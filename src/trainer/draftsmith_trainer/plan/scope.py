"""How much a run has to do: rows measured in the shards, or the most that its options allow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.survey import RowFacts
from ..draft.config import DraftConfig
from ..train.corpus import open_corpus
from ..train.extent import Extent, extent
from ..train.state_cache import decide_cache
from .memory import PACK_TOKENS, Pack
from .options import PlanJob
from .rows import RowTotals, bound_of, totals_of


@dataclass(frozen=True)
class Scope:
    """The size of a run.

    Attributes:
        train: totals of one pass over the training rows. measured: of one evaluation.
        extent: steps and evaluations; None where neither rows nor ``maxSteps`` are known.
        saved: share of target passes that the cache of states saves.
        pack: the largest pack that a process meets.
        counts: rows read, kept and rejected, as training counts them; None without shards.
        batch: rows of a step on one process.
    """

    train: RowTotals
    measured: RowTotals
    extent: Extent | None
    saved: float
    pack: Pack
    counts: dict[str, object] | None
    batch: int

    @property
    def mean_pack(self) -> float:
        """Context tokens of a pack, on average; at most :data:`~.memory.PACK_TOKENS`."""
        return min(PACK_TOKENS, self.train.tokens / max(self.train.rows, 1) * self.batch)


def scope_of(job: PlanJob, config: DraftConfig, state_bytes: int) -> Scope:
    """The scope of a run.

    Args:
        state_bytes: bytes of one token's captured states.

    Raises:
        UserError: those of :func:`~..train.corpus.open_corpus`.
    """
    return _bounded(job, config) if job.shards is None else _surveyed(job, config, state_bytes)


def _surveyed(job: PlanJob, config: DraftConfig, state_bytes: int) -> Scope:
    assert job.shards is not None
    options = job.options
    corpus = open_corpus(job.shards, options, config.mask_token_id)
    train, measured = corpus.facts.take(corpus.usable), corpus.heldout_facts.take(corpus.measured)
    planned = extent(len(train), options, job.world)
    cache = decide_cache(options.state_cache_mb, train, measured, planned, job.world, state_bytes)
    return Scope(
        train=totals_of(train, options.anchors, config.block_size),
        measured=totals_of(measured, None, config.block_size),
        extent=planned,
        saved=cache.saved if cache.budget_mb else 0.0,
        pack=_largest_pack(train, options.batch_size, options.anchors),
        counts=corpus.counts,
        batch=options.batch_size,
    )


def _bounded(job: PlanJob, config: DraftConfig) -> Scope:
    options, size = job.options, config.block_size
    rows = options.max_train_rows
    if rows is None and options.max_steps is not None:
        rows = options.max_steps * options.batch_size * job.world
    blocks = min(options.anchors, options.max_length)
    tokens = min(options.batch_size * options.max_length, max(PACK_TOKENS, options.max_length))
    return Scope(
        train=bound_of(rows or 1, options.max_length, options.anchors, size),
        measured=bound_of(options.eval_rows or 0, options.max_length, options.max_length, size),
        extent=None if rows is None else extent(rows, options, job.world),
        saved=0.0,
        pack=Pack(tokens, blocks * max(1, tokens // options.max_length), 0),
        counts=None,
        batch=options.batch_size,
    )


def _largest_pack(facts: RowFacts, batch: int, anchors: int) -> Pack:
    """The largest of what ``batch`` rows can be together, each number for itself: a batch holds rows of like length."""
    longest = int(facts.tokens.max())
    rows = max(1, min(batch, PACK_TOKENS // longest))

    def top(values: np.ndarray) -> int:
        return int(np.sort(values)[-rows:].sum())

    return Pack(top(facts.tokens), top(np.minimum(facts.anchors, anchors)), top(facts.patches))
