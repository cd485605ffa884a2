"""Plans passes on the host: the rows of each target pass, the blocks of each draft pass, and their index tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..data.batch import Batch, make_batch
from ..data.blocks import context_length
from ..data.shards import Ints, Row
from ..draft.attend import AttentionKind, BatchAttend, make_attend
from ..draft.config import DraftConfig
from ..draft.kernel import fits_kernel
from ..draft.passes import windows_of
from ..draft.tiles import TILE
from ..target import Target
from ..target.pack import Pack, make_pack, plan_packs


@dataclass(frozen=True)
class Part:
    """One draft pass.

    Attributes:
        batch: its blocks.
        attend: the attention of these blocks.
        owners: the rows of the pack and their anchors that the blocks belong to, in order.
    """

    batch: Batch
    attend: BatchAttend
    owners: tuple[tuple[Row, Ints], ...]

    def to(self, device: torch.device) -> Part:
        """A copy on a device; does not wait for the transfers."""
        return replace(self, batch=self.batch.to(device), attend=self.attend.to(device))

    def pinned(self) -> Part:
        """A copy in pinned memory, from which transfers to a CUDA device do not block."""
        return replace(self, batch=self.batch.pinned())


@dataclass(frozen=True)
class PackWork:
    """One target pass and the draft passes that read its states.

    Attributes:
        rows: the rows whose states are needed.
        starts: where each row's states begin in the state buffer.
        tokens: length of the state buffer.
        pack: the rows packed for one target pass; None runs them one by one.
        parts: the draft passes.
    """

    rows: tuple[Row, ...]
    starts: tuple[int, ...]
    tokens: int
    pack: Pack | None
    parts: tuple[Part, ...]

    @property
    def blocks(self) -> int:
        """Number of blocks in all parts."""
        return sum(part.batch.blocks for part in self.parts)

    @property
    def passes(self) -> int:
        """Number of target passes that computing the states takes if none are cached."""
        return 1 if self.pack is not None else len(self.rows)

    def pinned(self) -> PackWork:
        """A copy in pinned memory, from which transfers to a CUDA device do not block."""
        pack = self.pack.pinned() if self.pack is not None else None
        return replace(self, pack=pack, parts=tuple(part.pinned() for part in self.parts))


def state_length(target: Target, row: Row) -> int:
    """Leading tokens of a row whose states are needed: those before its last anchor, and that one for soft labels."""
    context = context_length(row)
    return context + 1 if target.final and context else context


class Preparer:
    """Builds work from rows. Uses no weights, only the target's config, so it can run on a background thread.

    Args:
        attention: the draft's attention implementation.
        packed: whether the target runs on packed rows.
        pack_tokens: maximum number of context tokens in a target pass.
        draft_tokens: maximum number of block tokens in a draft pass.
    """

    def __init__(
        self,
        target: Target,
        config: DraftConfig,
        attention: AttentionKind,
        packed: bool,
        pack_tokens: int,
        draft_tokens: int,
    ) -> None:
        if attention == "kernel" and not fits_kernel(config.head_dim, config.block_size):
            attention = "flex"
        self._target, self._config, self._attention = target, config, attention
        self.packed, self._pack_tokens = packed, pack_tokens
        self._blocks = max(1, draft_tokens // config.block_size)
        self._windows = windows_of(config)
        self.multiple = TILE if attention in ("flex", "kernel") else 1

    def prepare(self, rows: Sequence[Row], anchors: Sequence[Ints]) -> list[PackWork]:
        """The work for ``rows`` with blocks at ``anchors`` (one ascending array per row).

        Raises:
            UserError: ``image-tokens`` when a row's placeholders do not fit its images.
        """
        plans, alone = self._plans(rows)
        if alone:
            plans.append(alone)
        return [
            self._work([rows[i] for i in plan], [anchors[i] for i in plan], packed=plan is not alone) for plan in plans
        ]

    def passes(self, rows: Sequence[Row]) -> int:
        """Number of target passes that :meth:`prepare` plans for ``rows``."""
        plans, alone = self._plans(rows)
        return len(plans) + len(alone)

    def _plans(self, rows: Sequence[Row]) -> tuple[list[list[int]], list[int]]:
        """The indices of rows that are packed together, pack by pack, and of rows that run alone."""
        alone = [i for i, row in enumerate(rows) if row.video_frames or not self.packed]
        together = [i for i, row in enumerate(rows) if i not in set(alone)]
        plans = plan_packs([len(rows[i]) for i in together], self._pack_tokens)
        return [[together[i] for i in plan] for plan in plans], alone

    def nothing(self) -> PackWork:
        """Work without labels, for a rank without rows: every gradient exists and is zero."""
        batch = make_batch([], [], [], self._config.block_size, self._config.mask_token_id, multiple=self.multiple)
        part = Part(batch, make_attend(self._attention, batch, self._windows), ())
        return PackWork((), (), 0, None, (part,))

    def _work(self, rows: list[Row], anchors: list[Ints], packed: bool) -> PackWork:
        mrope = self._config.rotary == "mrope"
        positions = [self.positions(row) for row in rows] if packed or mrope else []
        pack = make_pack(rows, positions, self._target.spec) if packed else None
        lengths = [len(row) if packed else state_length(self._target, row) for row in rows]
        starts = np.cumsum([0, *lengths])
        own = [part.numpy() for part in positions] if mrope else None
        parts = [
            self._part([rows[i] for i, _ in group], [a for _, a in group], [int(starts[i]) for i, _ in group],
                       [own[i] for i, _ in group] if own is not None else None)
            for group in self._groups(anchors)
        ]  # fmt: skip
        return PackWork(tuple(rows), tuple(int(s) for s in starts[:-1]), int(starts[-1]), pack, tuple(parts))

    def _part(self, rows: list[Row], anchors: list[Ints], starts: list[int], positions: list[Ints] | None) -> Part:
        config = self._config
        batch = make_batch(rows, anchors, starts, config.block_size, config.mask_token_id, positions, self.multiple)
        attend = make_attend(self._attention, batch, self._windows)
        return Part(batch, attend, tuple(zip(rows, anchors, strict=True)))

    def _groups(self, anchors: Sequence[Ints]) -> list[list[tuple[int, Ints]]]:
        """Groups of (row, anchors) with at most the allowed number of blocks; rows with more blocks are split."""
        groups: list[list[tuple[int, Ints]]] = []
        room = 0
        for number, found in enumerate(anchors):
            for piece in np.split(found, range(self._blocks, len(found), self._blocks)):
                if not len(piece):
                    continue
                # A row occurs at most once in a batch, or its context would be there twice.
                if len(piece) > room or (groups and groups[-1][-1][0] == number):
                    groups.append([])
                    room = self._blocks
                groups[-1].append((number, piece))
                room -= len(piece)
        return groups

    def positions(self, row: Row) -> Tensor:
        """A row's positions in the target, int64 [3, S] on the host, computed by transformers."""
        ids, types = (torch.from_numpy(part.astype("int64"))[None] for part in (row.input_ids, row.token_types))
        grids = {
            "image_grid_thw": torch.from_numpy(row.image_grid.astype("int64")) if len(row.image_grid) else None,
            "video_grid_thw": torch.from_numpy(row.video_grid.astype("int64")) if len(row.video_grid) else None,
        }
        made: Tensor = self._target.model.model.get_rope_index(ids, types, **grids)[0]
        return made[:, 0]
