"""Steps that were started: a GPU works on them while the host reads what the ones before have measured."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ..data.shards import Ints
from ..feed import PackWork
from .run_log import RunLog
from .skipped import SkippedSteps
from .step import Pending


@dataclass(frozen=True)
class RunningStep:
    """A step that was started: its number (from 1), learning rate, rows of all ranks, work, and what it measures."""

    step: int
    lr: float
    rows: Ints
    work: list[PackWork]
    pending: Pending


class RunningSteps:
    """The steps whose measurements nobody has read yet, in order.

    Args:
        keep: how many may be left unread after a step: one on a GPU, so that the host need not wait for the device.
    """

    def __init__(self, log: RunLog, skipped: SkippedSteps, keep: int) -> None:
        self._log, self._skipped, self._keep = log, skipped, keep
        self._running: deque[RunningStep] = deque()

    def add(self, step: RunningStep) -> int:
        """Reads what steps before it measured; returns the highest stop flag among them.

        All ranks leave equally many unread, so that they come to the same decision after the same step.

        Raises:
            UserError: ``training-diverged``.
        """
        self._running.append(step)
        return self._read(self._keep)

    def settle(self) -> int:
        """As :meth:`add`, of all that were started."""
        return self._read(0)

    def _read(self, keep: int) -> int:
        flag = 0
        while len(self._running) > keep:
            one = self._running.popleft()
            result = one.pending.result()
            flag = max(flag, result.stop)
            if result.finite:
                self._skipped.good()
                values = {"loss": result.loss, "lr": one.lr, "gradNorm": result.grad_norm}
                self._log.step(one.step, {**values, "trainAcceptLength": result.accept}, result.accuracy, one.rows)
            else:
                self._log.skipped(one.step, self._skipped.note(one.step, one.lr, result, one.work), one.rows)
        return flag
