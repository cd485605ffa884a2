"""Steps whose loss or gradient is not finite: named, skipped, counted, and too many of them end the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ..base.errors import UserError
from ..feed import PackWork, Part
from ..parallel.ranks import Ranks
from .options import TrainOptions
from .state import Progress
from .step import PartFlags, StepResult

#: Rows, and ranks, that a message names.
_ROWS_SHOWN, _RANKS_SHOWN = 8, 4


class SkippedSteps:
    """Counts skipped steps. The optimizer has left weights and moments as they were before this hears of a step.

    Every rank calls :meth:`note` for the same steps, since all of them read the same sums.

    Args:
        parameters: names, in the draft's order.
    """

    def __init__(self, options: TrainOptions, ranks: Ranks, parameters: Sequence[str]) -> None:
        self._most, self._most_in_a_row = options.max_skipped, options.max_skipped_in_a_row
        self._ranks, self._parameters = ranks, parameters
        self.total = self.in_a_row = 0

    def begin(self, progress: Progress) -> None:
        """Goes on counting where a saved state left off."""
        self.total, self.in_a_row = progress.skipped, progress.skipped_in_a_row

    def marked(self, progress: Progress) -> Progress:
        """``progress`` with the counts so far."""
        return progress.then(skipped=self.total, skipped_in_a_row=self.in_a_row)

    def good(self) -> None:
        """Counts a step that was finite."""
        self.in_a_row = 0

    def note(self, step: int, lr: float, result: StepResult, work: list[PackWork]) -> str:
        """Counts a step that was skipped; returns the reason, with rows and place, the same on all ranks.

        Raises:
            UserError: ``training-diverged`` when there are too many.
        """
        self.total += 1
        self.in_a_row += 1
        if not math.isfinite(result.loss):
            what = f"the loss is {result.loss}"
            mine = "; ".join(_places(result, work))
        else:
            what = f"the gradient of {self._parameters[result.bad_parameter]} is not finite"
            mine = _rows([part for one in work for part in one.parts])
        reason = f"{what} at learning rate {lr:.3g}: {self._everywhere(mine)}"
        self._check(step, reason)
        return reason

    def _everywhere(self, mine: str) -> str:
        """What the ranks have to say, those that say nothing left out."""
        found = [f"rank {rank}: {text}" for rank, text in enumerate(self._ranks.gather(mine)) if text]
        if self._ranks.world == 1:
            found = [text.removeprefix("rank 0: ") for text in found]
        more = len(found) - _RANKS_SHOWN
        shown = "; ".join(found[:_RANKS_SHOWN]) or "every label's loss is finite, but not their sum"
        return f"{shown}; and {more} more ranks" if more > 0 else shown

    def _check(self, step: int, reason: str) -> None:
        if self.in_a_row > self._most_in_a_row:
            count = f"{self.in_a_row} steps in a row" if self.in_a_row > 1 else "a step"
            limit = f"maxSkippedInARow is {self._most_in_a_row}"
        elif self.total > self._most:
            count, limit = f"{self.total} steps", f"maxSkipped is {self._most}"
        else:
            return
        raise UserError(
            "training-diverged",
            f"training diverged: {count} had no finite loss or gradient, and {limit}; at step {step}, {reason}",
            "the last saved state and the best draft are kept; start from that draft (initFrom) or over (onConflict:"
            " restart) with a lower lr, a longer warmup or clip; when it is always the same rows, look at them",
        )


def _places(result: StepResult, work: list[PackWork]) -> Iterator[str]:
    """For every draft pass of this rank that was not finite: the row, and the place of its first bad label."""
    parts = [part for one in work for part in one.parts]
    for part, flags in zip(parts, result.parts, strict=True):
        if not flags.finite:
            states = "" if flags.states else ", with captured states of the target that are not finite"
            yield _place(part, flags) + states


def _place(part: Part, flags: PartFlags) -> str:
    if flags.first_bad < 0:
        return _rows([part])
    block, place = divmod(int(part.batch.places[flags.first_bad]), part.batch.block_size)
    for row, anchors in part.owners:
        if block < len(anchors):
            return f"row {row.dialogue_id}/{row.row}, place {place} of the block at token {int(anchors[block])}"
        block -= len(anchors)
    raise AssertionError("a label belongs to a block of a row")


def _rows(parts: list[Part]) -> str:
    names = list(dict.fromkeys(f"{row.dialogue_id}/{row.row}" for part in parts for row, _ in part.owners))
    more = len(names) - _ROWS_SHOWN
    return f"rows {', '.join(names[:_ROWS_SHOWN])}{f' and {more} more' if more > 0 else ''}" if names else ""
