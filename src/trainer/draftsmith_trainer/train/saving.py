"""Saves states and drafts in the background, on the rank that writes files."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from ..draft.model import DFlashDraft
from ..parallel.ranks import Ranks
from .checkpoints import Checkpoints
from .snapshot import Snapshot
from .state import Progress, StateStore, load_everywhere
from .writer import Writer


class Saver:
    """Writes what a run must not lose, while training goes on. On ranks that write nothing, every call is free.

    A save copies weights and moments to the host, which all ranks wait for at their next step, and leaves the rest to
    a thread. Files come in an order that a kill cannot break: the draft of a step, the state that names it, and only
    then the removal of what neither needs.

    Args:
        writes: whether this rank writes files.
    """

    def __init__(
        self,
        states: StateStore,
        checkpoints: Checkpoints,
        draft: DFlashDraft,
        optimizer: torch.optim.Optimizer,
        writes: bool,
    ) -> None:
        self._states, self._checkpoints, self._draft, self._optimizer = states, checkpoints, draft, optimizer
        self._writes, self._writer, self._snapshot = writes, Writer(), Snapshot()
        #: The step of the latest state that was saved, or is being saved; -1 for none.
        self.saved = -1

    def load(self, ranks: Ranks) -> Progress | None:
        """Restores the saved state on all ranks. Without one, earlier checkpoints go and the first draft is kept."""
        progress = load_everywhere(self._states, self._draft, self._optimizer, ranks)
        if progress is not None:
            self.saved = progress.step
        elif self._writes:
            self._checkpoints.clear()
            self._checkpoints.save_untrained(self._draft)
        return progress

    def save(self, progress: Progress, draft_too: bool = False) -> None:
        """Saves the state of ``progress``, and the draft beside it if it is to be kept."""
        if self._writes:
            whole = self.saved != progress.step
            if self._snapshot.step != progress.step and (whole or draft_too):
                # The buffers may be in use.
                self._writer.wait()
                self._snapshot.take(progress.step, self._draft, self._optimizer)
            self._writer.submit(lambda: self._write(progress, whole, draft_too))
        self.saved = progress.step

    def check(self) -> None:
        """Raises what went wrong in the background, such as a full disk."""
        self._writer.check()

    def wait(self) -> None:
        """Until all is written."""
        self._writer.wait()

    def publish(self, progress: Progress, metrics: Path) -> dict[str, Any]:
        """See :meth:`.Checkpoints.publish`."""
        self._writer.wait()
        return self._checkpoints.publish(progress, metrics)

    def __enter__(self) -> Saver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, error, trace)

    def _write(self, progress: Progress, whole: bool, draft_too: bool) -> None:
        if draft_too:
            self._checkpoints.save(progress.step, self._snapshot.weights)
        if whole:
            self._states.write(progress, self._snapshot)
        else:
            self._states.amend(progress)
        self._checkpoints.prune(progress)
