"""Drafts at every candidate position of a row and walks its responses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..algorithms.registry import algorithm_of
from ..data.blocks import make_blocks
from ..data.shards import Ints, Row
from ..draft.attend import AttentionKind
from ..draft.model import DFlashDraft
from ..draft.passes import run_blocks
from ..target import CapturedRow, Target
from ..target.states import StateSource
from .tally import Tally
from .walk import correct_prefix, walk


@dataclass(frozen=True)
class ResponseWalk:
    """The steps of one response of a row: ``accepted[i]`` drafted tokens in step i."""

    row: Row
    response: int
    start: int
    end: int
    accepted: list[int]


class Measurer:
    """Measures one draft on rows.

    Args:
        batch_blocks: blocks drafted at once; bounds memory.
    """

    def __init__(
        self, target: Target, draft: DFlashDraft, attention: AttentionKind, batch_blocks: int, autocast: bool = False
    ) -> None:
        self._target, self._draft = target, draft
        self._algorithm = algorithm_of(draft.config)
        self._attention, self._batch_blocks, self._autocast = attention, batch_blocks, autocast

    def tally(self, rows: list[Row], source: StateSource, split: str) -> Tally:
        """Sums over all responses of ``rows``."""
        total = Tally(self._draft.config.block_size)
        for row in rows:
            for one in self.walks(row, source.row(split, row)):
                total.add(one.start, one.end, one.accepted)
        return total

    def walks(self, row: Row, captured: CapturedRow) -> Iterator[ResponseWalk]:
        """The walk over every response of one row."""
        for number, (start, end) in enumerate(row.spans):
            anchors = np.arange(start, end - 1)
            parts = [
                correct_prefix(self.propose(row, captured, part), row.input_ids, part, end)
                for part in np.split(anchors, range(self._batch_blocks, len(anchors), self._batch_blocks))
                if len(part)
            ]
            prefix = np.concatenate(parts) if parts else np.zeros(0, np.int64)
            yield ResponseWalk(row, number, start, end, walk(start, end, prefix))

    @torch.no_grad()
    def propose(self, row: Row, captured: CapturedRow, anchors: Ints) -> Tensor:
        """Greedy drafts at ``anchors`` [N] of one row, int64 [N, B-1]."""
        config, device = self._draft.config, self._target.device
        blocks = make_blocks([row], [anchors], config.block_size, config.mask_token_id).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._autocast):
            hidden = run_blocks(
                self._draft,
                config,
                self._target.embed,
                captured.states[None],
                captured.positions[:, None],
                blocks.anchors,
                blocks.keep,
                blocks.ids,
                self._attention,
            )
        return self._algorithm.propose(self._draft, hidden[0], blocks.ids[0, :, 0], self._target.lm_head)
