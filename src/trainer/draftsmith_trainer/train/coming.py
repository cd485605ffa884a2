"""Prepares optimizer steps: which rows each rank takes and what passes they need, on a GPU ahead of their use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.blocks import draw_anchors
from ..data.order import epoch_batches, rank_part
from ..data.shards import Ints
from ..feed import PackWork, Preparer, StateSource
from ..feed.ahead import Ahead
from ..parallel.ranks import Ranks
from .corpus import Corpus
from .options import TrainOptions

#: Steps that are prepared while one runs.
_AHEAD = 2

#: An epoch and the numbers of a step's rows, over all ranks.
_Key = tuple[int, tuple[int, ...]]


@dataclass(frozen=True)
class ComingStep:
    """A prepared step.

    Attributes:
        rows: numbers of this rank's rows. work: what it runs.
        passes: target passes of the rank that runs the most; 0 unless the target is sharded.
    """

    rows: tuple[int, ...]
    work: list[PackWork]
    passes: int


class ComingSteps:
    """The steps of an epoch, each a function of seed, epoch and rows a step alone.

    Args:
        batch: rows of a step, over all ranks.
        on_gpu: prepare on another thread, into memory from which copies to the GPU do not block.
    """

    def __init__(
        self,
        corpus: Corpus,
        options: TrainOptions,
        source: StateSource,
        preparer: Preparer,
        ranks: Ranks,
        batch: int,
        on_gpu: bool,
    ) -> None:
        self._corpus, self._options, self._source, self._preparer = corpus, options, source, preparer
        self._ranks, self._batch, self._on_gpu = ranks, batch, on_gpu
        self._chunks = -(-batch // (options.batch_size * ranks.world))
        self._prepared = Ahead(self._prepare, threads=1 if on_gpu else 0)

    def batches(self, epoch: int) -> list[Ints]:
        """Row numbers of every step of an epoch, over all ranks."""
        corpus = self._corpus
        return epoch_batches(corpus.train.lengths, corpus.usable, self._batch, self._options.seed, epoch)

    def take(self, epoch: int, batches: list[Ints], number: int) -> ComingStep:
        """The step of ``batches[number]``; those behind it are announced."""
        for batch in batches[number : number + 1 + _AHEAD]:
            self._prepared.expect(_key(epoch, batch))
        return self._prepared.take(_key(epoch, batches[number]))

    def _share(self, batch: Ints, rank: int) -> list[tuple[int, ...]]:
        """A rank's rows, in chunks of about ``batchSize`` where it takes several batches a step."""
        part = rank_part(batch, self._corpus.train.lengths[batch], rank, self._ranks.world)
        chunks = [part] if self._chunks == 1 else np.array_split(part, self._chunks)
        return [tuple(int(i) for i in chunk) for chunk in chunks if len(chunk)]

    def _prepare(self, key: _Key) -> ComingStep:
        epoch, numbers = key
        batch: Ints = np.array(numbers, np.int64)
        mine = self._share(batch, self._ranks.rank)
        work = [one for chunk in mine for one in self._work(chunk, epoch)] or [self._preparer.nothing()]
        return ComingStep(tuple(i for chunk in mine for i in chunk), work, self._passes(batch))

    def _passes(self, batch: Ints) -> int:
        if not self._source.sharded:
            return 0
        rows, preparer = self._corpus.train, self._preparer
        return max(
            sum(preparer.passes([rows[i] for i in chunk]) for chunk in self._share(batch, rank))
            for rank in range(self._ranks.world)
        )

    def _work(self, numbers: tuple[int, ...], epoch: int) -> list[PackWork]:
        rows, options = [self._corpus.train[i] for i in numbers], self._options
        work = self._preparer.prepare(rows, [draw_anchors(row, options.anchors, options.seed, epoch) for row in rows])
        for one in work:
            self._source.expect("train", one)
        return [one.pinned() for one in work] if self._on_gpu else work


def _key(epoch: int, batch: Ints) -> _Key:
    return epoch, tuple(int(i) for i in batch)
