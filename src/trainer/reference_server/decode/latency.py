"""How long a step takes, without a draft and with one, at a given number of sequences."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from statistics import median
from typing import Any

import torch
from draftsmith_trainer.data.images import PixelReader
from draftsmith_trainer.data.shards import Row
from draftsmith_trainer.draft.model import DFlashDraft
from draftsmith_trainer.evaluate.latency import LatencyPoint
from draftsmith_trainer.target import Target

from .decoder import Decoder
from .drafting import Drafting
from .prompt import Prompt
from .request import DecodeRequest
from .response_loop import images_before
from .scheduler import Scheduler
from .speculative import drafting_for

#: Steps that are measured of each kind, and steps before them that are not.
ROUNDS, WARM = 12, 3


def measure_latency(
    target: Target, draft: DFlashDraft, pixels: PixelReader, rows: Sequence[Row], concurrency: int
) -> LatencyPoint:
    """Decodes the first responses of ``rows`` (again and again, if there are too few) with and without ``draft``.

    Plain and speculative steps take turns, so that a machine that slows down does so for both.
    """
    decoder = Decoder(target.model)
    prompts = [_prompt(decoder, target, pixels, row) for row in islice(cycle(rows), concurrency)]
    size = draft.config.block_size
    plain, drafted = _Timed(decoder, prompts, None, size), _Timed(decoder, prompts, drafting_for(decoder, draft), size)
    for number in range(WARM + ROUNDS):
        for one in (plain, drafted):
            one.step(counted=number >= WARM)
    return LatencyPoint(
        concurrency=concurrency,
        context=sum(map(len, prompts)) / len(prompts),
        rounds=ROUNDS,
        step=1e3 * median(plain.steps),
        draft=1e3 * median(whole - part for whole, part in zip(drafted.steps, drafted.verifying, strict=True)),
        verify=1e3 * median(drafted.verifying),
    )


class _Timed:
    """A scheduler whose sequences are all running, and the seconds of its steps."""

    def __init__(self, decoder: Decoder, prompts: Sequence[Prompt], drafting: Drafting | None, size: int) -> None:
        self._device = decoder.device
        self._scheduler = Scheduler(decoder, len(prompts), drafting)
        self.steps: list[float] = []
        self.verifying: list[float] = []
        self._spent = 0.0
        batch: Any = self._scheduler.batch
        batch.verify, batch.keep = self._timed(batch.verify), self._timed(batch.keep)
        # Enough for no answer to end while others are measured.
        most = (size + 1) * (WARM + ROUNDS + 2 + len(prompts))
        for prompt in prompts:
            self._scheduler.submit(DecodeRequest(prompt, most))
        while self._scheduler.waiting:
            self._scheduler.step()

    def step(self, counted: bool) -> None:
        """Runs a step of all sequences."""
        self._spent = 0.0
        start = self._now()
        self._scheduler.step()
        spent = self._now() - start
        if counted:
            self.steps.append(spent)
            self.verifying.append(self._spent)

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            start = self._now()
            try:
                return function(*arguments, **named)
            finally:
                self._spent += self._now() - start

        return timed

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


def _prompt(decoder: Decoder, target: Target, pixels: PixelReader, row: Row) -> Prompt:
    """What comes before the first response of a row."""
    start = row.spans[0][0]
    values, grid = images_before(row, start, target.spec.spatial_merge_size, *pixels.pixels(row))
    return decoder.prompt_from_tensors(torch.from_numpy(row.input_ids[:start].astype("int64")), values, grid)
