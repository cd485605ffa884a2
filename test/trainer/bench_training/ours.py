"""The trainer's own step, with the parts that a training run has: workers, preparing thread, stepper."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from draftsmith_trainer.data.blocks import draw_anchors
from draftsmith_trainer.data.images import PixelReader
from draftsmith_trainer.data.pictures.workers import PictureWorkers, default_workers
from draftsmith_trainer.data.shards import ImageShards, Row
from draftsmith_trainer.draft.model import DFlashDraft
from draftsmith_trainer.feed import PackWork, Preparer, StateSource
from draftsmith_trainer.feed.ahead import Ahead
from draftsmith_trainer.feed.packing import pack_target
from draftsmith_trainer.parallel.device import choose_compute
from draftsmith_trainer.parallel.ranks import Ranks
from draftsmith_trainer.target import Target
from draftsmith_trainer.target.pictures import PictureSource
from draftsmith_trainer.train.options import TrainOptions
from draftsmith_trainer.train.step import Stepper


class Ours:
    """Runs steps over batches of rows, the next ones prepared while one runs."""

    def __init__(
        self, target: Target, draft: DFlashDraft, directory: Path, options: TrainOptions, ranks: Ranks
    ) -> None:
        compute = choose_compute("cuda", "bf16", "auto", None)
        images = ImageShards(directory)
        self.pictures = PictureSource(
            PixelReader(directory, images), PictureWorkers(images, default_workers(ranks.world)), target.device
        )
        self.packed = pack_target(target, options.slow_recurrence)
        self.source = StateSource(target, self.pictures, 0, self.packed)
        self.preparer = Preparer(
            target, draft.config, compute.attention, self.packed is not None, options.pack_tokens, options.draft_tokens
        )
        draft.compile_layers()
        self.ranks = ranks
        module = _parallel(draft, ranks)
        self.stepper = Stepper(target, draft, module, self.source, options, compute, ranks, self.preparer.multiple)
        self.waited = 0.0
        values = self.pictures.values
        self.pictures.values = self._timed(values)  # type: ignore[method-assign]

    def prepare(self, rows: list[Row], seed: int = 0) -> list[PackWork]:
        """Work as the training loop makes it."""
        work = self.preparer.prepare(rows, [draw_anchors(row, 512, seed, 0) for row in rows])
        for one in work:
            self.source.expect("train", one)
        return [one.pinned() for one in work]

    def run(self, batches: list[list[Row]]) -> float:
        """Seconds that these steps take, the queue of the device empty before and after; ``waited`` for input."""
        ahead: Ahead[int, list[PackWork]] = Ahead(lambda i: self.prepare(batches[i], i), 1)
        take = self._timed(ahead.take)
        self.waited = 0.0
        torch.cuda.synchronize()
        self.ranks.wait()
        start, pending = time.perf_counter(), None
        for number in range(len(batches)):
            for coming in range(number, min(number + 3, len(batches))):
                ahead.expect(coming)
            fresh = self.stepper.step(take(number), 1e-4)
            if pending is not None:
                pending.result()
            pending = fresh
        torch.cuda.synchronize()
        self.ranks.wait()
        spent = time.perf_counter() - start
        ahead.close()
        return spent

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.waited += time.perf_counter() - start

        return timed

    def __enter__(self) -> Ours:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pictures.close()


def _parallel(draft: DFlashDraft, ranks: Ranks) -> Any:
    if ranks.world == 1:
        return draft
    from torch.nn.parallel import DistributedDataParallel

    return DistributedDataParallel(draft, device_ids=[ranks.local], gradient_as_bucket_view=True)
