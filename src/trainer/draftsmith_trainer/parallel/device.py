"""Resolves "auto" to a device, a dtype and an attention implementation that work on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import cast

import torch

from ..base.errors import UserError
from ..draft.attend import AttentionKind
from .ranks import Ranks


@dataclass(frozen=True)
class Compute:
    """Device, dtype and attention implementation of a job."""

    device: str
    dtype: torch.dtype
    attention: AttentionKind

    @property
    def autocast(self) -> bool:
        """Whether draft weights (fp32 masters) are cast for matrix products."""
        return self.dtype != torch.float32


def choose_compute(device: str, dtype: str, attention: str, threads: int | None) -> Compute:
    """Resolves the options ``device``, ``dtype``, ``attention`` and ``threads``.

    The fastest attention is the split form on a CPU and our own kernel, which needs 16-bit tensors, on CUDA.

    Raises:
        UserError: ``no-cuda``, ``flex-needs-cuda``.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("no-cuda", "device is cuda, but torch finds no CUDA device", "use device: cpu or auto")
    if attention in ("flex", "kernel") and device == "cpu":
        raise UserError("flex-needs-cuda", f"{attention} attention cannot train on a CPU", "use attention: auto")
    if dtype == "auto":
        dtype = "fp32" if device == "cpu" else "bf16"
    if attention == "auto":
        attention = "split" if device == "cpu" else "kernel" if dtype == "bf16" else "sdpa"
    return Compute(device, torch.float32 if dtype == "fp32" else torch.bfloat16, cast(AttentionKind, attention))


def matrix_rate(compute: Compute) -> float:
    """Operations per second of square matrix products on this process's device: a moment's measurement.

    A CPU's caches and clock and a GPU's power limit make it a rate of short bursts; sustained ones are a little lower.
    """
    side, times = (512, 8) if compute.device == "cpu" else (4096, 16)
    a, b = (torch.randn(side, side, device=compute.device, dtype=compute.dtype) for _ in range(2))
    spent = []
    for _ in range(times):
        _settled(compute)
        start = time.perf_counter()
        a @ b
        _settled(compute)
        spent.append(time.perf_counter() - start)
    return 2 * side**3 / sorted(spent)[times // 2]


def _settled(compute: Compute) -> None:
    if compute.device == "cuda":
        torch.cuda.synchronize()


def smallest_card(compute: Compute, ranks: Ranks) -> int | None:
    """The memory, in bytes, of the smallest GPU of all ranks, as known to every rank; None on a CPU."""
    if compute.device == "cpu":
        return None
    return min(int(size) for size in ranks.gather(str(torch.cuda.get_device_properties(ranks.local).total_memory)))
