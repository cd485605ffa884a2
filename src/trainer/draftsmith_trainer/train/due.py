"""After which steps a run evaluates, saves, and keeps a draft for good."""

from __future__ import annotations

from .checkpoints import KeepRule
from .extent import Extent
from .options import TrainOptions
from .state import Progress


class Due:
    """What is due when ``progress.step`` steps are done."""

    def __init__(self, options: TrainOptions, extent: Extent, rule: KeepRule) -> None:
        self._every, self._patience = options.checkpoint_every, options.early_stop_patience
        self._extent, self._rule = extent, rule

    def evaluation(self, progress: Progress) -> bool:
        """Whether the held-out rows are walked: at every interval, and at the end."""
        step = progress.step
        return step > 0 and (step % self._extent.eval_every == 0 or step == self._extent.steps)

    def save(self, progress: Progress) -> bool:
        """Whether the state is saved."""
        return progress.step % self._every == 0 or self.draft(progress)

    def draft(self, progress: Progress) -> bool:
        """Whether the draft is kept, whatever it measures."""
        return self._rule.due(progress.step)

    def end(self, progress: Progress) -> bool:
        """Whether the run ends early, for lack of progress."""
        return self._patience is not None and progress.misses >= self._patience
