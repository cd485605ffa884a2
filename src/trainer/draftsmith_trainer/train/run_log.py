"""What a run tells while it goes on: metrics.jsonl, progress, and trackers that the user named. Only rank 0 tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.events import Events
from ..data.shards import Ints
from ..measure.tally import Tally
from .extent import Extent
from .meter import Meter
from .metrics import MetricsFile
from .reporters import Reporter
from .selection import Verdict
from .state import Progress

#: Every how many steps numbers are written to metrics.jsonl.
LOG_EVERY = 10
#: Figures of an evaluation that go to metrics.jsonl and to trackers.
_BRIEF = ("pooledAcceptLength", "meanAcceptLength", "tokensPerStep", "anchorAcceptLength")


@dataclass(frozen=True)
class Window:
    """Sums over the steps since the last evaluation, for comparing training with held-out rows."""

    steps: float = 0
    loss: float = 0.0
    accept: float = 0.0

    def then(self, values: dict[str, float]) -> Window:
        """With one more step."""
        return Window(self.steps + 1, self.loss + values["loss"], self.accept + values["trainAcceptLength"])

    def report(self) -> dict[str, Any] | None:
        """Means as JSON; None without steps."""
        if not self.steps:
            return None
        return {
            "steps": int(self.steps),
            "loss": self.loss / self.steps,
            "acceptLength": self.accept / self.steps,
        }


class RunLog:
    """Writes and reports what steps and evaluations measured.

    Args:
        speaks: whether this rank does.
        meter: rates and waits of this rank.
        memory: memory by part, in MiB.
        open_reporter: opens the trackers, given the steps that are done.
    """

    def __init__(
        self,
        path: Path,
        events: Events,
        extent: Extent,
        speaks: bool,
        meter: Meter,
        memory: Callable[[], dict[str, float]],
        open_reporter: Callable[[int], Reporter],
    ) -> None:
        self.path, self._events, self._extent, self._speaks = path, events, extent, speaks
        self.meter, self._memory, self._open = meter, memory, open_reporter
        self._metrics: MetricsFile | None = None
        self._reporter: Reporter | None = None
        self._window = Window()
        self._began, self._before = time.monotonic(), 0.0

    def begin(self, progress: Progress) -> None:
        """Continues the records of ``progress``, and starts the clock that the time budget goes by."""
        self._began, self._before = time.monotonic(), progress.seconds
        self._window = Window(*progress.window)
        self.meter.restart()
        if self._speaks:
            self._metrics = MetricsFile(self.path, progress.metrics_bytes)
            self._reporter = self._open(progress.step)

    @property
    def seconds(self) -> float:
        """Time spent on the run, over all starts."""
        return self._before + time.monotonic() - self._began

    def marked(self, progress: Progress) -> Progress:
        """``progress`` with what a saved state must hold for these records to continue."""
        window = self._window
        size = progress.metrics_bytes if self._metrics is None else self._metrics.size
        return progress.then(
            metrics_bytes=size, seconds=self.seconds, window=[window.steps, window.loss, window.accept]
        )

    def step(
        self, step: int, values: dict[str, float], accuracy: Sequence[float | None] = (), rows: Ints | None = None
    ) -> None:
        """Tells of an optimizer step.

        Args:
            values: loss, lr, gradNorm and trainAcceptLength.
            accuracy: share of right tokens at places 1..B-1; None for a place without labels.
            rows: numbers of the step's rows, of all ranks.
        """
        self._window = self._window.then(values)
        if rows is not None:
            self.meter.add(rows)
        if self._metrics is None or self._reporter is None:
            return
        epoch = step / self._extent.per_epoch
        if step % LOG_EVERY == 0:
            rounded = [None if rate is None else round(rate, 6) for rate in accuracy]
            self._metrics.write({"step": step, "epoch": round(epoch, 4), **values, "accuracyByPlace": rounded})
            measured = {**self.meter.read(), **self._memory()}
            self._events.metric(step, {**values, **measured})
            places = {f"accuracy/{k}": rate for k, rate in enumerate(accuracy, start=1) if rate is not None}
            self._reporter.log(step, {**values, "epoch": epoch, **places, **measured})
        rates: dict[str, float] = {
            name: self.meter.last[name] for name in ("rows/s", "tokens/s") if name in self.meter.last
        }
        wait = f", input wait {100 * self.meter.last['inputWait']:.0f} %" if rates else ""
        self._events.progress(step, self._extent.steps, "steps", rates, f"loss {values['loss']:.3f}{wait}")

    def skipped(self, step: int, reason: str, rows: Ints) -> None:
        """Tells of an optimizer step that changed nothing."""
        self.meter.add(rows)
        if self._metrics is not None:
            self._metrics.write({"step": step, "skipped": reason})
            self._events.log(f"step {step} is skipped: {reason}", "warn")

    def evaluation(self, step: int, tally: Tally, verdict: Verdict | None = None) -> None:
        """Tells of an evaluation; ``verdict`` is None for the one before the first step."""
        self.meter.restart()
        window, self._window = self._window, Window()
        if self._metrics is None or self._reporter is None:
            return
        epoch, report = step / self._extent.per_epoch, tally.report()
        brief = {name: report[name] for name in _BRIEF}
        rates = [round(place["rate"], 6) for place in report["perPosition"]]
        judged = verdict.report() if verdict is not None else {"verdict": None, "interval": None}
        figures = {**brief, "steps": report["steps"], "perPosition": rates, **judged}
        line = {"step": step, "epoch": round(epoch, 4), "eval": figures, "train": window.report()}
        self._metrics.write(line)
        self._events.metric(step, brief)
        shown = {f"heldout/{name}": value for name, value in brief.items()}
        shown |= {f"heldout/accepted/{k}": rate for k, rate in enumerate(rates, start=1)}
        if verdict is not None and verdict.interval is not None:
            shown |= {"heldout/low": verdict.interval[0], "heldout/high": verdict.interval[1]}
        self._reporter.log(step, {**shown, "epoch": epoch})

    def close(self) -> None:
        """Closes the trackers; the run may be continued."""
        if self._reporter is not None:
            self._reporter.close()
