"""The amount of work in a run: from rows measured in the shards, or the most that its options allow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..data.survey import RowFacts
from ..draft.config import DraftConfig
from ..train.corpus import open_corpus
from ..train.extent import Extent, extent, rows_per_step
from ..train.options import TrainOptions
from ..train.state_cache import decide_cache
from .memory import Pack
from .options import ExpectedRows, PlanJob
from .rows import RowTotals, bound_of, totals_of


@dataclass(frozen=True)
class Scope:
    """The size of a run.

    Attributes:
        train: totals of one pass over the training rows. measured: of one evaluation.
        extent: steps and evaluations; None if neither rows nor ``maxSteps`` are known.
        saved: share of target passes that the cache of states saves.
        expected: whether rows are counted as expected, not as found or at the options' limits.
        pack: the largest pack that a process handles.
        counts: rows read, kept and rejected, as training counts them; None without shards.
        batch: rows per step on one process. together: how many of them may share a pack.
        pack_tokens: maximum context tokens per pack.
    """

    train: RowTotals
    measured: RowTotals
    extent: Extent | None
    saved: float
    pack: Pack
    counts: dict[str, object] | None
    batch: int
    together: int
    pack_tokens: int
    expected: bool = False

    @property
    def mean_pack(self) -> float:
        """Average context tokens per pack."""
        return min(self.pack_tokens, self.train.tokens / max(self.train.rows, 1) * self.together)


def scope_of(job: PlanJob, config: DraftConfig, element: int) -> Scope:
    """The scope of a run.

    Args:
        element: bytes per number in captured states.

    Raises:
        UserError: the errors of :func:`~..train.corpus.open_corpus`.
    """
    if job.shards is not None:
        return _surveyed(job, config, element)
    return _bounded(job, config) if job.expected is None else _expected(job, job.expected, config)


def _surveyed(job: PlanJob, config: DraftConfig, element: int) -> Scope:
    assert job.shards is not None
    options = job.options
    corpus = open_corpus(job.shards, options, config.mask_token_id)
    train, measured = corpus.facts.take(corpus.usable), corpus.heldout_facts.take(corpus.measured)
    state_bytes = (len(config.target_layer_ids) + (options.soft_labels is not None)) * config.hidden_size * element
    planned = extent(len(train), options, rows_per_step(options, job.world))
    cache = decide_cache(options.state_cache_mb, train, measured, planned, job.world, state_bytes)
    return Scope(
        train=totals_of(train, options.anchors, config.block_size),
        measured=totals_of(measured, None, config.block_size),
        extent=planned,
        saved=cache.saved if cache.budget_mb else 0.0,
        pack=largest_pack(train, options, config.block_size),
        counts=corpus.counts,
        batch=options.batch_size * options.accumulate,
        together=options.batch_size,
        pack_tokens=options.pack_tokens,
    )


def _expected(job: PlanJob, given: ExpectedRows, config: DraftConfig) -> Scope:
    options = job.options
    # Longer rows than the options allow are left out of training; means do not tell how many, so none is.
    rows = min(given.rows, options.max_train_rows or given.rows)
    one = _expected_facts(given)
    pack = _bounded(job, config).pack
    together = max(1, min(options.batch_size, int(pack.tokens // given.tokens)))
    return Scope(
        train=totals_of(one, options.anchors, config.block_size).times(rows),
        measured=totals_of(one, None, config.block_size).times(options.eval_rows or 0),
        extent=extent(rows, options, rows_per_step(options, job.world)),
        saved=0.0,
        pack=replace(pack, patches=together * int(one.patches[0])),
        counts=None,
        batch=options.batch_size * options.accumulate,
        together=options.batch_size,
        pack_tokens=options.pack_tokens,
        expected=True,
    )


def _expected_facts(given: ExpectedRows) -> RowFacts:
    """One row with the means as facts; fractions stay."""

    def one(value: float) -> np.ndarray:
        return np.array([value])

    tokens, supervised = given.tokens, min(given.supervised, given.tokens)
    # The tower merges 2 x 2 patches into one token in all families.
    patches = given.pictures * given.picture_tokens * 4
    return RowFacts(
        tokens=one(tokens),
        supervised=one(supervised),
        anchors=one(max(supervised - given.answers, 0.0)),
        context=one(max(tokens - 2, 0.0)),
        pictures=one(given.pictures),
        patches=one(patches),
        patch_pairs=one(patches * given.picture_tokens * 4),
        forbidden=np.zeros(1, bool),
    )


def _bounded(job: PlanJob, config: DraftConfig) -> Scope:
    options, size = job.options, config.block_size
    rows = options.max_train_rows
    if rows is None and options.max_steps is not None:
        rows = options.max_steps * rows_per_step(options, job.world)
    tokens = min(options.batch_size * options.max_length, max(options.pack_tokens, options.max_length))
    blocks = min(options.anchors, options.max_length) * max(1, tokens // options.max_length)
    return Scope(
        train=bound_of(rows or 1, options.max_length, options.anchors, size),
        measured=bound_of(options.eval_rows or 0, options.max_length, options.max_length, size),
        extent=None if rows is None else extent(rows, options, rows_per_step(options, job.world)),
        saved=0.0,
        pack=Pack(tokens, min(blocks, options.draft_tokens // size), 0),
        counts=None,
        batch=options.batch_size * options.accumulate,
        together=options.batch_size,
        pack_tokens=options.pack_tokens,
    )


def largest_pack(facts: RowFacts, options: TrainOptions, block_size: int) -> Pack:
    """An upper bound on any pack of a batch: each quantity is maximised separately, as if one row held all maxima."""
    longest = int(facts.tokens.max())
    rows = max(1, min(options.batch_size, options.pack_tokens // longest))

    def top(values: np.ndarray) -> int:
        return int(np.sort(values)[-rows:].sum())

    blocks = top(np.minimum(facts.anchors, options.anchors))
    return Pack(top(facts.tokens), min(blocks, options.draft_tokens // block_size), top(facts.patches))
