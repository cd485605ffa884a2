"""The processes of a run: a single one, or several under torchrun."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from ..base.errors import Interrupted, UserError
from .board import Board
from .watch import Watch

#: Seconds in which the death of another process must show after a collective has failed.
_CLOSING = 5.0


@dataclass(frozen=True)
class Ranks:
    """This process's rank and its communication with the others. Without torchrun there is one process.

    Attributes:
        board: for waits that may outlast a collective's time-out; None if there is one process.
    """

    rank: int
    world: int
    local: int
    started: bool
    board: Board | None = None

    @property
    def local_world(self) -> int:
        """Number of processes on this machine."""
        return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if self.started else 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and reports progress."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Sums a tensor over all ranks, in place, and returns it.

        A collective with a time-out: only where ranks arrive within minutes of each other, as after :meth:`meet`.
        """
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def tell(self, value: Any) -> Any:
        """Returns rank 0's value on every rank. The value must be JSON-serializable."""
        return json.loads(self.gather(json.dumps(value if self.first else None))[0])

    def hand_out(self, tensor: Tensor) -> None:
        """Overwrites the tensor with rank 0's. A collective with a time-out, like :meth:`sum`."""
        if self.world > 1:
            dist.broadcast(tensor, 0)

    def differing(self, value: Any) -> list[int]:
        """Ranks whose value differs from rank 0's. The values must be JSON-serializable."""
        found = self.gather(json.dumps(value, sort_keys=True))
        return [rank for rank, other in enumerate(found) if other != found[0]]

    def wait(self, asked: Callable[[], bool] | None = None) -> None:
        """Waits for every rank, however long that takes. See :meth:`Board.gather` for arguments and errors."""
        self.gather("", asked)

    def meet(self, asked: Callable[[], bool] | None = None) -> None:
        """Like :meth:`wait`, but cheap enough to precede the collectives of every step; see :meth:`Board.meet`."""
        if self.board is not None:
            self.board.meet(asked)

    def gather(
        self,
        message: str,
        asked: Callable[[], bool] | None = None,
        waiting: Callable[[list[int]], None] | None = None,
    ) -> list[str]:
        """Collects every rank's message, however long that takes. See :meth:`Board.gather`."""
        return [message] if self.board is None else self.board.gather(message, asked, waiting)

    @contextmanager
    def together(self, tell: Callable[[UserError], None]) -> Iterator[None]:
        """Raises when another rank has died; ends the process if it is blocked in a collective.

        Args:
            tell: called with the error before the process ends.

        Raises:
            UserError: ``rank-lost``.
        """
        if self.board is None:
            yield
            return
        board, watch = self.board, Watch(self.board.trouble, tell)
        try:
            yield
        except RuntimeError as error:
            # A collective may fail shortly before or after the kernel closes the dead process's connections.
            until = time.monotonic() + _CLOSING
            while (trouble := board.trouble()) is None and time.monotonic() < until:
                time.sleep(0.05)
            if trouble is None:
                raise
            raise trouble from error
        finally:
            watch.close()

    def __enter__(self) -> Ranks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # All ranks agree on a requested stop, so it is not a failure.
        self.close(failed=kind is not None and kind is not Interrupted)

    def close(self, failed: bool = False) -> None:
        """Leaves the process group. ``failed``: without waiting for the other ranks."""
        if self.board is not None:
            self.board.close(failed)
        if self.started:
            dist.destroy_process_group()


def join_ranks(device: str) -> Ranks:
    """Joins torchrun's process group, with NCCL on CUDA and gloo on a CPU; without torchrun, a single rank."""
    if "RANK" not in os.environ:
        return Ranks(0, 1, 0, False)
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device == "cuda":
        torch.cuda.set_device(local)
    store, rank, world = next(rendezvous("env://"))
    groups = PrefixStore("groups", store)
    dist.init_process_group("nccl" if device == "cuda" else "gloo", store=groups, rank=rank, world_size=world)
    board = Board(PrefixStore("board", store), rank, world) if world > 1 else None
    return Ranks(rank, world, local, True, board)
