"""The training loop: epochs of batches, evaluations, checkpoints, and a way to stop anywhere and go on."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..algorithms.settings import config_json
from ..base.errors import Interrupted, UserError
from ..base.events import Events
from ..base.files import write_json
from ..base.signals import StopRequest
from ..base.typed_json import to_json
from ..data.blocks import draw_anchors
from ..data.order import epoch_batches, rank_part
from ..data.shards import Ints
from ..draft.model import DFlashDraft
from ..feed import PackWork, Preparer, StateSource
from ..feed.ahead import Ahead
from ..measure.measurer import Measurer
from ..measure.tally import Tally
from ..parallel.device import Compute
from ..parallel.ranks import Ranks
from ..parallel.replicas import data_parallel
from ..target import Target
from ..train.options import TrainJob
from .checkpoints import Checkpoints
from .corpus import Corpus
from .curve import training_report
from .evaluation import SharedEvaluation
from .extent import extent
from .meter import Floor, Meter, memory_parts
from .reporters import Reporter, Reporting, open_reporters
from .run_log import RunLog
from .schedule import learning_rate
from .selection import judge
from .state import Progress, StateStore, load_everywhere
from .step import Pending, Stepper, StepResult

#: Rows that a message names.
_ROWS_SHOWN = 8
_GO_ON, _BUDGET, _ASKED = 0, 1, 1000

#: An epoch and the numbers of a batch's rows, over all ranks.
_Key = tuple[int, tuple[int, ...]]


@dataclass(frozen=True)
class _Coming:
    """A step that is prepared: this rank's rows and work, and the target passes of the rank that runs the most."""

    rows: tuple[int, ...]
    work: list[PackWork]
    passes: int


@dataclass(frozen=True)
class _Running:
    """A step that was started: its number, learning rate, rows (of all ranks, and this one's), and what it measures."""

    step: int
    lr: float
    batch: Ints
    rows: tuple[int, ...]
    pending: Pending


class Trainer:
    """Runs one training job on one rank."""

    def __init__(
        self,
        job: TrainJob,
        corpus: Corpus,
        target: Target,
        draft: DFlashDraft,
        source: StateSource,
        preparer: Preparer,
        compute: Compute,
        ranks: Ranks,
        events: Events,
        fingerprint: dict[str, Any],
        floor: Floor | None = None,
    ) -> None:
        self._options, self._corpus, self._draft = job.options, corpus, draft
        self._ranks, self._events, self._source, self._preparer = ranks, events, source, preparer
        self._request = StopRequest()
        # Ranks load for as long as their disks take; wrapping the draft is the first collective.
        ranks.wait()
        module = data_parallel(draft, ranks, compute.device)
        self._stepper = Stepper(target, draft, module, source, job.options, compute, ranks, preparer.multiple)
        measurer = Measurer(target, draft, preparer, autocast=compute.autocast)
        self._evaluation = SharedEvaluation(corpus, measurer, source, ranks, events, self._asked)
        # While a GPU works on one step, the host prepares the next and reads what the one before measured.
        self._on_gpu = compute.device == "cuda"
        self._work = Ahead(self._prepared, threads=1 if self._on_gpu else 0)
        self._running: deque[_Running] = deque()
        self._states = StateStore(job.resume_dir, fingerprint)
        self._checkpoints = Checkpoints(job.resume_dir, job.work_dir, draft, compute.dtype)
        self._work_dir = job.work_dir
        job.resume_dir.mkdir(parents=True, exist_ok=True)
        planned = extent(len(corpus.usable), job.options, ranks.world)
        self._per_epoch, self.total, self._eval_every = planned.per_epoch, planned.steps, planned.eval_every
        meter = Meter(corpus.train.lengths, floor, lambda: (source.computed, source.waited), ranks.world)
        memory = partial(memory_parts, target, draft, self._stepper.optimizer.adam, source)
        self._log = RunLog(
            job.resume_dir / "metrics.jsonl", events, planned, ranks.first, meter, memory, self._reporter
        )

    def run(self) -> dict[str, Any]:
        """Trains to the end and returns the facts of the result event.

        Raises:
            Interrupted: when asked to stop; the state is saved.
        """
        try:
            with self._request:
                return self._run()
        finally:
            self._log.close()

    def _run(self) -> dict[str, Any]:
        progress = load_everywhere(self._states, self._draft, self._stepper.optimizer.adam, self._ranks)
        self._ranks.wait(self._asked)
        if progress is None:
            progress = self._begin()
        else:
            self._events.log(f"resuming at step {progress.step} of {self.total}")
            self._log.begin(progress)
        if self._evaluation_due(progress) and progress.last_eval != progress.step:
            # The run was stopped amid this evaluation.
            progress = self._evaluate(progress)
        progress, stopped = self._train(progress)
        if progress.last_eval != progress.step:
            progress = self._evaluate(progress)
        return self._finish(progress, stopped)

    def _evaluation_due(self, progress: Progress) -> bool:
        step = progress.step
        return step > 0 and (step % self._eval_every == 0 or step == self.total)

    def _asked(self) -> bool:
        return self._request.asked

    def _begin(self) -> Progress:
        """Measures and keeps the draft as it starts out, for comparison."""
        if self._ranks.first:
            self._checkpoints.clear()
            self._checkpoints.save_untrained()
        self._log.begin(Progress())
        if not len(self._corpus.measured):
            self._events.log("no held-out rows: accept length is not measured, the last draft is the best", "warn")
        tally = self._measure()
        if tally is None:
            raise Interrupted
        self._log.evaluation(0, tally)
        return self._log.marked(Progress(untrained_value=tally.pooled))

    def _reporter(self, step: int) -> Reporter:
        reporting = Reporting(self._log.path.parent, step, to_json(self._options))
        return open_reporters(self._options.report_to, reporting, self._events)

    def _train(self, progress: Progress) -> tuple[Progress, str]:
        while progress.step < self.total and not self._patience_over(progress):
            batches = epoch_batches(
                self._corpus.train.lengths,
                self._corpus.usable,
                self._options.batch_size * self._ranks.world,
                self._options.seed,
                progress.epoch,
            )
            for number in range(progress.batch, len(batches)):
                for coming in batches[number : number + 3]:
                    self._work.expect(self._key(progress.epoch, coming))
                self._step(progress, batches[number])
                flag = self._settle(keep=1 if self._on_gpu else 0)
                last = number + 1 == len(batches)
                progress = progress.then(
                    step=progress.step + 1,
                    epoch=progress.epoch + last,
                    batch=0 if last else number + 1,
                )
                if self._evaluation_due(progress):
                    progress = self._evaluate(progress)
                early = self._patience_over(progress)
                if progress.step % self._options.checkpoint_every == 0 or flag or early or progress.step == self.total:
                    progress = self._save(progress)
                if flag >= _ASKED:
                    raise self._stopped(progress)
                if early or flag or progress.step >= self.total:
                    return progress, "early-stop" if early else "time-budget" if flag else "finished"
        return progress, "early-stop" if progress.step < self.total else "finished"

    def _patience_over(self, progress: Progress) -> bool:
        patience = self._options.early_stop_patience
        return patience is not None and progress.misses >= patience

    @staticmethod
    def _key(epoch: int, batch: Ints) -> _Key:
        return epoch, tuple(int(i) for i in batch)

    def _share(self, batch: Ints, rank: int) -> tuple[int, ...]:
        part = rank_part(batch, self._corpus.train.lengths[batch], rank, self._ranks.world)
        return tuple(int(i) for i in part)

    def _prepared(self, key: _Key) -> _Coming:
        epoch, numbers = key
        batch: Ints = np.array(numbers, np.int64)
        mine = self._share(batch, self._ranks.rank)
        return _Coming(mine, self._work_of(mine, epoch), self._passes(batch))

    def _passes(self, batch: Ints) -> int:
        if not self._source.sharded:
            return 0
        shares = (self._share(batch, rank) for rank in range(self._ranks.world))
        return max(self._preparer.passes([self._corpus.train[i] for i in share]) for share in shares)

    def _work_of(self, numbers: tuple[int, ...], epoch: int) -> list[PackWork]:
        rows = [self._corpus.train[i] for i in numbers]
        if not rows:
            return [self._preparer.nothing()]
        options = self._options
        work = self._preparer.prepare(rows, [draw_anchors(row, options.anchors, options.seed, epoch) for row in rows])
        for one in work:
            self._source.expect("train", one)
        return [one.pinned() for one in work] if self._on_gpu else work

    def _step(self, progress: Progress, batch: Ints) -> None:
        options = self._options
        lr = learning_rate(progress.step, self.total, options.lr, options.warmup, options.min_lr_ratio)
        with self._log.meter.waiting():
            coming = self._work.take(self._key(progress.epoch, batch))
        pending = self._stepper.step(coming.work, lr, self._wish(), coming.passes)
        self._running.append(_Running(progress.step + 1, lr, batch, coming.rows, pending))

    def _settle(self, keep: int) -> int:
        """Reads what steps measured, all but the last ``keep``; returns the highest stop flag among them.

        All ranks keep equally many, so that they come to the same decision after the same step.
        """
        flag = 0
        while len(self._running) > keep:
            running = self._running.popleft()
            result = running.pending.result()
            if not result.finite:
                raise self._diverged(running, result)
            flag = max(flag, result.stop)
            values = {"loss": result.loss, "lr": running.lr, "gradNorm": result.grad_norm}
            values["trainAcceptLength"] = result.accept
            self._log.step(running.step, values, result.accuracy, running.batch)
        return flag

    def _diverged(self, running: _Running, result: StepResult) -> UserError:
        rows = [self._corpus.train[i] for i in running.rows[:_ROWS_SHOWN]]
        shown = ", ".join(f"{row.dialogue_id}/{row.row}" for row in rows)
        more = "" if len(running.rows) <= _ROWS_SHOWN else f" and {len(running.rows) - _ROWS_SHOWN} more"
        lost = not math.isfinite(result.loss)
        what = f"the loss is {result.loss}" if lost else f"the norm of the gradient is {result.grad_norm}"
        return UserError(
            "training-diverged",
            f"training diverged: {what} at step {running.step}, learning rate {running.lr:.3g}, "
            f"rows {shown or 'of another rank'}{more}",
            "try a lower lr, a longer warmup or clip; when it is always the same rows, look at them",
        )

    def _wish(self) -> int:
        """What this rank wants: the sum over ranks decides, so that all of them stop at the same step."""
        if self._request.asked:
            return _ASKED
        budget = self._options.max_minutes
        over = budget is not None and self._ranks.first and self._log.seconds > 60 * budget
        return _BUDGET if over else _GO_ON

    def _evaluate(self, progress: Progress) -> Progress:
        self._settle(keep=0)
        tally = self._measure()
        if tally is None:
            raise self._stopped(self._save(progress))
        # Without held-out rows there is nothing to compare, and the latest draft is the best guess.
        first = progress.best_step < 0 or not len(self._corpus.measured)
        verdict = judge(tally, progress.best_dialogues, progress.best_value, first, self._options.early_stop_gain)
        self._log.evaluation(progress.step, tally, verdict)
        if verdict.better:
            progress = progress.then(best_step=progress.step, best_value=tally.pooled, best_dialogues=tally.dialogues)
        progress = progress.then(misses=verdict.misses(progress.misses))
        if self._ranks.first:
            self._checkpoints.save(progress.step)
        # A large draft takes long to write, and the next step is a collective.
        self._ranks.wait(self._asked)
        return progress.then(last_eval=progress.step, last_value=tally.pooled)

    def _measure(self) -> Tally | None:
        """The walk of the held-out rows; None when a stop was asked for before its end."""
        self._draft.eval()
        tally = self._evaluation.run()
        self._draft.train()
        return tally

    def _save(self, progress: Progress) -> Progress:
        self._settle(keep=0)
        progress = self._log.marked(progress)
        if self._ranks.first:
            self._states.save(progress, self._draft, self._stepper.optimizer.adam)
            self._checkpoints.prune({progress.best_step, progress.last_eval})
        self._ranks.wait(self._asked)
        return progress

    def _stopped(self, progress: Progress) -> Interrupted:
        self._events.log(f"stopped at step {progress.step}; the state is saved")
        return Interrupted()

    def _finish(self, progress: Progress, stopped: str) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "steps": progress.step,
            "epochs": round(progress.step / self._per_epoch, 4),
            "stopped": stopped,
            "untrained": {"pooledAcceptLength": progress.untrained_value},
            "draft": config_json(self._draft.config),
        }
        if self._ranks.first:
            facts["best"] = self._checkpoints.publish(progress, self._log.path)
            size = self._draft.config.block_size
            course = training_report(self._log.path, progress, self._per_epoch, size, stopped)
            write_json(self._work_dir / "training.json", course)
        self._ranks.wait(self._asked)
        return facts
