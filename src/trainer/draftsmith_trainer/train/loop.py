"""The training loop: epochs of steps, evaluations, saves, and a way to stop anywhere and go on."""

from __future__ import annotations

from contextlib import closing, nullcontext
from functools import partial
from typing import Any

from ..base.errors import Interrupted, UserError
from ..base.events import Events
from ..base.phase import phase
from ..base.signals import StopRequest
from ..base.typed_json import to_json
from ..data.shards import Ints
from ..draft.model import DFlashDraft
from ..feed import Preparer, StateSource
from ..measure.measurer import Measurer
from ..measure.tally import Tally
from ..parallel.device import Compute
from ..parallel.ranks import Ranks
from ..parallel.replicas import data_parallel
from ..target import Target
from ..train.options import TrainJob
from .checkpoints import Checkpoints, keep_rule
from .coming import ComingStep, ComingSteps
from .corpus import Corpus
from .due import Due
from .evaluation import SharedEvaluation
from .extent import Extent
from .meter import Floor, Meter, memory_parts
from .outcome import run_facts, write_course
from .reporters import Reporter, Reporting, open_reporters
from .run_log import RunLog
from .running import RunningStep, RunningSteps
from .saving import Saver
from .schedule import learning_rate
from .selection import judge
from .skipped import SkippedSteps
from .state import Progress, StateStore
from .step import Stepper

#: What a rank wants of the run: to go on; to end it, for its time is up; to save and stop. Sums over ranks decide.
_GO_ON, _BUDGET, _ASKED = 0, 1, 1000


class Trainer:
    """Runs one training job on one rank.

    Args:
        settings, layout: go into every saved state, see :class:`.state.Saved`.
        floor: the least time that rows can take on this device, for the share of it that is reached.
    """

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
        request: StopRequest,
        extent: Extent,
        settings: dict[str, Any],
        layout: dict[str, int],
        floor: Floor | None = None,
    ) -> None:
        self._options, self._corpus, self._draft, self._extent = job.options, corpus, draft, extent
        self._ranks, self._events, self._request = ranks, events, request
        # Ranks load for as long as their disks take; wrapping the draft is the first collective.
        ranks.wait(self._asked)
        module = data_parallel(draft, ranks, compute.device)
        self._stepper = Stepper(
            target, draft, module, source, job.options, compute, ranks, preparer.multiple, self._asked
        )
        measurer = Measurer(target, draft, preparer, autocast=compute.autocast)
        self._evaluation = SharedEvaluation(corpus, measurer, source, ranks, events, self._asked)
        source.gate = lambda: ranks.meet(self._asked)
        # While a GPU works on one step, the host prepares the next and reads what the one before measured.
        on_gpu = compute.device == "cuda"
        self._compiling = ", compiling" if on_gpu else ""
        self._coming = ComingSteps(corpus, job.options, source, preparer, ranks, extent.batch, on_gpu)
        meter = Meter(corpus.train.lengths, floor, lambda: (source.computed, source.waited), ranks.world)
        memory = partial(memory_parts, target, draft, self._stepper.optimizer.adam, source)
        self._log = RunLog(job.resume_dir / "metrics.jsonl", events, extent, ranks.first, meter, memory, self._reporter)
        self._skipped = SkippedSteps(job.options, ranks, [name for name, _ in draft.named_parameters()])
        self._running = RunningSteps(self._log, self._skipped, keep=1 if on_gpu else 0)
        self._work_dir = job.work_dir
        job.resume_dir.mkdir(parents=True, exist_ok=True)
        rule = keep_rule(job.options)
        checkpoints = Checkpoints(job.resume_dir, job.work_dir, draft.config, compute.dtype, rule)
        self._due = Due(job.options, extent, rule)
        states = StateStore(job.resume_dir, settings, layout)
        self._saver = Saver(states, checkpoints, draft, self._stepper.optimizer.adam, ranks.first)

    def run(self) -> dict[str, Any]:
        """Trains to the end and returns the facts of the result event.

        Raises:
            Interrupted: when asked to stop; the state is saved.
            UserError: ``training-diverged``, ``rank-lost``, and what reading rows and pictures raises.
        """
        with closing(self._log), self._saver:
            progress = self._start()
            if self._due.evaluation(progress) and progress.last_eval != progress.step:
                # The run was stopped during this evaluation.
                progress = self._evaluate(progress)
            progress, stopped = self._train(progress)
            if progress.last_eval != progress.step:
                progress = self._evaluate(progress)
            return self._finish(progress, stopped)

    def _start(self) -> Progress:
        """The progress of the saved state, or that of a new run: its draft is measured, for comparison."""
        found = self._saver.load(self._ranks)
        self._stepper.renew()
        self._ranks.wait(self._asked)
        progress = found or Progress()
        self._log.begin(progress)
        self._skipped.begin(progress)
        if found is not None:
            self._events.log(f"resuming at step {found.step} of {self._extent.steps}")
            return found
        if not len(self._corpus.measured):
            self._events.log("no held-out rows: accept length is not measured, the last draft is the best", "warn")
        with phase(self._events, f"measuring the untrained draft{self._compiling}"):
            tally = self._measure()
        if tally is None:
            raise Interrupted
        self._log.evaluation(0, tally)
        return self._marked(Progress(untrained_value=tally.pooled))

    def _reporter(self, step: int) -> Reporter:
        reporting = Reporting(self._log.path.parent, step, to_json(self._options))
        return open_reporters(self._options.report_to, reporting, self._events)

    def _train(self, progress: Progress) -> tuple[Progress, str]:
        total = self._extent.steps
        while progress.step < total and not self._due.end(progress):
            batches = self._coming.batches(progress.epoch)
            for number in range(progress.batch, len(batches)):
                with self._log.meter.waiting():
                    coming = self._coming.take(progress.epoch, batches, number)
                try:
                    flag = self._step(progress, coming, batches[number])
                except (Interrupted, UserError) as error:
                    self._rescue(progress, error)
                    raise
                last = number + 1 == len(batches)
                progress = progress.then(
                    step=progress.step + 1,
                    epoch=progress.epoch + last,
                    batch=0 if last else number + 1,
                )
                if flag >= _ASKED:
                    raise self._stopped(progress)
                if self._due.evaluation(progress):
                    progress = self._evaluate(progress)
                elif self._due.save(progress) or flag:
                    progress = self._save(progress, draft_too=self._due.draft(progress))
                self._saver.check()
                if self._due.end(progress):
                    return progress, "early-stop"
                if flag:
                    return progress, "time-budget"
                if progress.step >= total:
                    return progress, "finished"
        return progress, "early-stop" if progress.step < total else "finished"

    def _step(self, progress: Progress, coming: ComingStep, batch: Ints) -> int:
        """Starts a step; returns the highest stop flag among those whose measurements were read."""
        options, total = self._options, self._extent.steps
        lr = learning_rate(progress.step, total, options.lr, options.warmup, options.min_lr_ratio, options.schedule)
        with phase(self._events, f"first step{self._compiling}") if self._request.at_once else nullcontext():
            pending = self._stepper.step(coming.work, lr, self._wish(), coming.passes)
        # From here on there is something to lose: a request to stop waits until it is saved.
        self._request.at_once = False
        return self._running.add(RunningStep(progress.step + 1, lr, batch, coming.work, pending))

    def _rescue(self, progress: Progress, error: Interrupted | UserError) -> None:
        """Saves what was learned before a step that others did not come to: it has changed nothing yet."""
        left = isinstance(error, Interrupted) or error.code == "rank-lost"
        if left and self._ranks.first and self._saver.saved != progress.step > 0:
            self._events.log(f"other ranks are gone: saving the state of step {progress.step}", "warn")
            self._save(progress, draft_too=self._due.draft(progress))
            self._saver.wait()

    def _wish(self) -> int:
        """What this rank wants; all of them see the sum, so that they stop after the same step."""
        if self._asked():
            return _ASKED
        budget = self._options.max_minutes
        over = budget is not None and self._ranks.first and self._log.seconds > 60 * budget
        return _BUDGET if over else _GO_ON

    def _asked(self) -> bool:
        return self._request.asked

    def _evaluate(self, progress: Progress) -> Progress:
        """Saves, so that a stop during a long evaluation loses no step; measures; notes the value in the state."""
        if self._saver.saved != progress.step:
            progress = self._save(progress)
        tally = self._measure()
        if tally is None:
            raise self._stopped(progress)
        # Without held-out rows there is nothing to compare, and the latest draft is the best guess.
        first = progress.best_step < 0 or not len(self._corpus.measured)
        verdict = judge(tally, progress.best_dialogues, progress.best_value, first, self._options.early_stop_gain)
        self._log.evaluation(progress.step, tally, verdict)
        if verdict.better:
            progress = progress.then(best_step=progress.step, best_value=tally.pooled, best_dialogues=tally.dialogues)
        progress = progress.then(misses=verdict.misses(progress.misses))
        return self._save(progress.then(last_eval=progress.step, last_value=tally.pooled), draft_too=True)

    def _measure(self) -> Tally | None:
        """The walk of the held-out rows; None when a stop was asked for before its end."""
        self._draft.eval()
        tally = self._evaluation.run()
        self._draft.train()
        return tally

    def _save(self, progress: Progress, draft_too: bool = False) -> Progress:
        self._running.settle()
        progress = self._marked(progress)
        self._saver.save(progress, draft_too)
        return progress

    def _marked(self, progress: Progress) -> Progress:
        return self._skipped.marked(self._log.marked(progress))

    def _stopped(self, progress: Progress) -> Interrupted:
        """Saves and waits until everything is on disk, on all ranks."""
        if self._saver.saved != progress.step:
            self._events.log(f"asked to stop: saving the state of step {progress.step}")
            self._save(progress, draft_too=self._due.draft(progress))
        self._saver.wait()
        self._ranks.wait(self._asked)
        self._events.log(f"stopped at step {progress.step}; the state is saved")
        return Interrupted()

    def _finish(self, progress: Progress, stopped: str) -> dict[str, Any]:
        facts = run_facts(progress, self._extent, self._draft.config, stopped)
        if self._ranks.first:
            with phase(self._events, "writing the result"):
                facts["best"] = self._saver.publish(progress, self._log.path)
                write_course(self._work_dir, self._log.path, progress, self._extent, self._draft.config, stopped)
        self._ranks.wait(self._asked)
        return facts
