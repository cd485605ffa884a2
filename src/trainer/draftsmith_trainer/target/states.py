"""Captured target states by row, kept in memory while a budget lasts."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from ..data.blocks import context_length
from ..data.images import PixelReader
from ..data.shards import Row
from .capture import CapturedRow, capture_row
from .load import Target

#: Pixel values and grid of the images, then of the videos.
Pixels = tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]


class StateSource:
    """Runs the target on a row, or remembers that it already did.

    The target is frozen, so its states of a row are the same in every epoch; when all rows fit, epochs after the first
    cost only the draft. Each row is captured alone, so a remembered state equals a recomputed one bit for bit.

    Args:
        budget_mb: memory for remembered states, in MiB of the process that holds this source; 0 remembers nothing.
        ahead: threads that decode pictures of rows announced by :meth:`expect`; 0 decodes when they are needed.
    """

    def __init__(self, target: Target, pixels: PixelReader, budget_mb: int, ahead: int = 0) -> None:
        self._target, self._pixels = target, pixels
        self._budget = budget_mb * 2**20
        self._kept: dict[tuple[str, int], CapturedRow] = {}
        self.used = 0
        self.computed = 0
        self._threads = ThreadPoolExecutor(ahead) if ahead else None
        self._coming: dict[tuple[str, int], Future[Pixels]] = {}

    def expect(self, split: str, rows: list[Row]) -> None:
        """Announces rows that will be asked for soon."""
        if self._threads is None:
            return
        for row in rows:
            key = (split, row.index)
            if key not in self._kept and key not in self._coming:
                self._coming[key] = self._threads.submit(self._shown, row)

    def row(self, split: str, row: Row) -> CapturedRow:
        """States [C, K*H] of the positions that blocks read, positions [3, S] of all, on the target's device."""
        key = (split, row.index)
        kept = self._kept.get(key)
        if kept is not None:
            return CapturedRow(kept.states.to(self._target.device), kept.positions.to(self._target.device))
        made = self._compute(key, row)
        size = made.states.nbytes + made.positions.nbytes
        if self.used + size <= self._budget:
            self.used += size
            self._kept[key] = CapturedRow(made.states.cpu(), made.positions.cpu())
        return made

    def batch(self, split: str, rows: list[Row]) -> tuple[Tensor, Tensor]:
        """States [R, C, K*H] of several rows and the positions [3, R, S] of all their tokens, padded to the longest.

        C is the longest context, S the longest row: blocks reach past the context they read.
        """
        made = [self.row(split, row) for row in rows]
        states = torch.nn.utils.rnn.pad_sequence([one.states for one in made], batch_first=True)
        positions = torch.nn.utils.rnn.pad_sequence([one.positions.T for one in made], batch_first=True)
        return states, positions.permute(2, 0, 1)

    def _compute(self, key: tuple[str, int], row: Row) -> CapturedRow:
        self.computed += 1
        coming = self._coming.pop(key, None)
        shown = coming.result() if coming is not None else self._shown(row)
        ids, types = (torch.from_numpy(part.astype("int64")) for part in (row.input_ids, row.token_types))
        made = capture_row(self._target, ids, types, *shown)
        return CapturedRow(made.states[: context_length(row)].clone(), made.positions)

    def _shown(self, row: Row) -> Pixels:
        return (*self._pixels.pixels(row), *self._pixels.videos(row))
