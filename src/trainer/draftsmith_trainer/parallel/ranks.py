"""The processes of a run: one, or several under torchrun."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """This process's place among all. Without torchrun there is one process and nothing is sent."""

    rank: int
    world: int
    local: int
    started: bool

    @property
    def local_world(self) -> int:
        """How many of the processes run on this machine."""
        return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if self.started else 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks; the tensor is changed in place and returned."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def tell(self, value: Any) -> Any:
        """What rank 0 passes, on every rank; JSON-like values only."""
        if self.world == 1:
            return value
        told = [value]
        dist.broadcast_object_list(told)
        return told[0]

    def hand_out(self, tensor: Tensor) -> None:
        """Overwrites the tensor with rank 0's."""
        if self.world > 1:
            dist.broadcast(tensor, 0)

    def differing(self, value: Any) -> list[int]:
        """Ranks whose value is not rank 0's; JSON-like values only."""
        if self.world == 1:
            return []
        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value)
        return [rank for rank, other in enumerate(found) if other != found[0]]

    def wait(self) -> None:
        """Until every rank is here."""
        if self.world > 1:
            dist.barrier()

    def close(self) -> None:
        """Leaves the process group."""
        if self.started:
            dist.destroy_process_group()


def join_ranks(device: str) -> Ranks:
    """Joins the process group that torchrun prepared, nccl on CUDA and gloo on the CPU; alone when there is none."""
    if "RANK" not in os.environ:
        return Ranks(0, 1, 0, False)
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device == "cuda":
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    return Ranks(dist.get_rank(), dist.get_world_size(), local, True)
