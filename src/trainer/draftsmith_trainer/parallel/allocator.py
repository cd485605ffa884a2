"""Configures PyTorch's GPU memory allocator before the process touches CUDA, without importing torch."""

from __future__ import annotations

import os

#: The second is PyTorch's name before 2.9, which it still reads.
VARIABLES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")


def use_expandable_segments() -> None:
    """Makes segments of GPU memory expandable, unless the user has configured the allocator.

    The length of packs changes from step to step. In segments of fixed size that leaves holes too small for later
    packs, and a run can fail with out-of-memory while gigabytes are free.
    """
    if not any(name in os.environ for name in VARIABLES):
        os.environ[VARIABLES[0]] = "expandable_segments:True"
