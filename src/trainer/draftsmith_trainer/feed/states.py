"""Captured target states of a unit of work: computed, or taken from a cache of limited size."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from ..data.images import PixelSource
from ..data.shards import Row
from ..target import Target, capture_row
from ..target.packed import PackedTarget
from ..target.shard import idle_pass
from .work import PackWork, state_length


class StateSource:
    """Runs the target on rows, packed or one by one, and caches their states.

    The target is frozen, so a row's states are the same in every epoch. If the cache holds all rows, later epochs run
    only the draft. For rows run one by one (on a CPU), cached and recomputed states are equal bit for bit.

    Args:
        budget_mb: size of the cache, in MiB of host memory of this process; 0 for no cache. It must be 0 for a sharded
            target, whose passes all ranks have to join.

    Attributes:
        used: bytes of cached states.
        computed: number of rows whose states were computed.
        waited: seconds spent on pixel values, most of them waiting for images to be decoded.
        gate: called before every pass of a sharded target, once its images are decoded. The pass is a collective, so
            this is where ranks wait for one that is still decoding; an error it raises is raised on all ranks.
    """

    def __init__(
        self, target: Target, pictures: PixelSource, budget_mb: int, packed: PackedTarget | None = None
    ) -> None:
        self._target, self._pictures, self._packed = target, pictures, packed
        assert not (budget_mb and target.sharded)
        self._budget = budget_mb * 2**20
        self._kept: dict[tuple[str, int], Tensor] = {}
        self._announced: set[tuple[str, ...]] = set()
        self.gate: Callable[[], None] | None = None
        self.used = 0
        self.computed = 0
        self.waited = 0.0

    @property
    def sharded(self) -> bool:
        """Whether the target is sharded over the ranks."""
        return self._target.sharded

    def expect(self, split: str, work: PackWork) -> None:
        """Announces work whose states will be needed soon, so that decoding its images can start."""
        if work.pack is not None and work.pack.hashes and not self._remembers(split, work):
            self._announced.add(self._announcement(split, work))
            self._pictures.expect(work.pack.hashes)

    def states(self, split: str, work: PackWork, room: int = 0) -> Tensor:
        """The states of ``work``, [tokens + room, width] on the target's device; the last ``room`` rows are zero.

        Raises:
            UserError: as raised by reading and preprocessing images.
        """
        announced = self._announcement(split, work)
        if work.pack is None or self._remembers(split, work):
            if announced in self._announced and work.pack is not None:
                self._pictures.forget(work.pack.hashes)
            self._announced.discard(announced)
            return self._by_row(split, work, room)
        self._announced.discard(announced)
        made = self._capture(work, room)
        for row, start in zip(work.rows, work.starts, strict=True):
            self._keep(split, row, made[start : start + state_length(self._target, row)].clone())
        return made

    def idle(self, passes: int) -> None:
        """Joins passes of the other ranks without rows of its own; does nothing if the target is not sharded."""
        for _ in range(passes if self._target.sharded else 0):
            self._pass_gate()
            if self._packed is not None:
                self._packed.idle()
            else:
                idle_pass(self._target.model)

    def row(self, split: str, row: Row) -> Tensor:
        """The states of the positions that a row's blocks (and soft labels) read, [:func:`.state_length`, width]."""
        kept = self._kept.get((split, row.index))
        if kept is not None:
            return kept.to(self._target.device)
        self.computed += 1
        ids, types = (torch.from_numpy(part.astype("int64")) for part in (row.input_ids, row.token_types))
        start = time.monotonic()
        pixels = (*self._pictures.pixels(row), *self._pictures.videos(row))
        self.waited += time.monotonic() - start
        self._pass_gate()
        made = capture_row(self._target, ids, types, *pixels).states
        made = made[: state_length(self._target, row)].clone()
        self._keep(split, row, made)
        return made

    def _remembers(self, split: str, work: PackWork) -> bool:
        return all((split, row.index) in self._kept for row in work.rows)

    @staticmethod
    def _announcement(split: str, work: PackWork) -> tuple[str, ...]:
        return (split, *(str(row.index) for row in work.rows))

    def _by_row(self, split: str, work: PackWork, room: int) -> Tensor:
        buffer = self._target.embed.new_zeros(max(1, work.tokens + room), self._target.width)
        for row, start in zip(work.rows, work.starts, strict=True):
            states = self.row(split, row)
            buffer[start : start + len(states)] = states
        return buffer

    def _capture(self, work: PackWork, room: int) -> Tensor:
        assert work.pack is not None and self._packed is not None
        self.computed += len(work.rows)
        pack = work.pack
        start = time.monotonic()
        pixels = self._pictures.values(pack.hashes, pack.grids, self._target.embed.dtype) if pack.hashes else None
        self.waited += time.monotonic() - start
        self._pass_gate()
        return self._packed.capture(pack.to(self._target.device), pixels, room)

    def _pass_gate(self) -> None:
        if self.gate is not None and self._target.sharded:
            self.gate()

    def _keep(self, split: str, row: Row, states: Tensor) -> None:
        key = (split, row.index)
        size = states.nbytes
        if key not in self._kept and self.used + size <= self._budget:
            self.used += size
            self._kept[key] = states.cpu()
