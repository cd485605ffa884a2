"""How fast a run goes, what it waits for, and what takes its memory. Nothing of this enters metrics.jsonl."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from ..data.shards import Ints
from ..draft.linear import working_bytes
from ..draft.model import DFlashDraft
from ..feed import StateSource
from ..target import Target

_MIB = 2**20

#: Seconds that the rows with these numbers cost at the least, for the share of them whose target states are computed.
Floor = Callable[[Ints, float], float]


class Meter:
    """Rates of one rank over the steps since the last reading.

    Args:
        lengths: int64 [rows], tokens of every training row.
        floor: None where the rate of the device is not known.
        computed: training rows whose target states this rank has computed so far, and seconds it waited for pictures.
    """

    def __init__(
        self, lengths: Ints, floor: Floor | None, computed: Callable[[], tuple[int, float]], world: int
    ) -> None:
        self._lengths, self._floor, self._computed, self._world = lengths, floor, computed, world
        self._batches: list[Ints] = []
        self._began, self._waited, self._counted = time.monotonic(), 0.0, computed()
        self.last: dict[str, float] = {}

    def restart(self) -> None:
        """Begins a new interval: what was spent since the last reading (on an evaluation) does not count."""
        self._batches, self._waited = [], 0.0
        self._began, self._counted = time.monotonic(), self._computed()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the seconds of the body as waiting for input."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._waited += time.monotonic() - start

    def add(self, batch: Ints) -> None:
        """Counts a step over the training rows ``batch`` (of all ranks)."""
        self._batches.append(batch)

    def read(self) -> dict[str, float]:
        """Rates since the last reading: rows/s, tokens/s (over all ranks), shares of the time and of the floor."""
        spent = max(1e-9, time.monotonic() - self._began)
        if not self._batches:
            return self.last
        rows: Ints = np.concatenate(self._batches)
        computed, waited = (now - before for now, before in zip(self._computed(), self._counted, strict=True))
        self.last = {
            "rows/s": len(rows) / spent,
            "tokens/s": float(self._lengths[rows].sum()) / spent,
            "inputWait": min(1.0, (self._waited + waited) / spent),
        }
        if self._floor is not None:
            share = min(1.0, computed * self._world / len(rows))
            self.last["shareOfFloor"] = self._floor(rows, share) / self._world / spent
        self.restart()
        return self.last


def memory_parts(
    target: Target, draft: DFlashDraft, optimizer: torch.optim.Optimizer, source: StateSource
) -> dict[str, float]:
    """Memory of this process in MiB by part: weights, gradients, moments, states kept on the host, and the peak.

    The peak is the allocator's on CUDA (all of the above but the kept states, activations included) and the process's
    resident set on a CPU, which includes the interpreter and mapped files.
    """
    parameters = list(draft.parameters())
    moments = sum(one.nbytes for state in optimizer.state.values() for one in state.values() if torch.is_tensor(one))
    on_gpu = target.device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(target.device) if on_gpu else _resident()
    parts = {
        "target": sum(_local(p) for p in target.model.parameters()),
        "draft": sum(p.nbytes for p in parameters) + working_bytes(draft),
        "gradients": sum(p.grad.nbytes for p in parameters if p.grad is not None),
        "optimizer": moments,
        "keptStates": source.used,
        "peak": peak,
    }
    return {f"memoryMiB/{name}": size / _MIB for name, size in parts.items()}


def _local(parameter: torch.Tensor) -> int:
    """Bytes that this process holds; of a sharded parameter its own part."""
    local = getattr(parameter, "to_local", None)
    return int((local() if local is not None else parameter).nbytes)


def _resident() -> int:
    """The largest resident set so far; Linux counts it in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
