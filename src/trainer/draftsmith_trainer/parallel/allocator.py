"""How PyTorch manages GPU memory: decided before the process touches CUDA, and without importing torch."""

from __future__ import annotations

import os

#: The second is the name that PyTorch used before 2.9, and still reads.
VARIABLES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")


def use_expandable_segments() -> None:
    """Lets segments of GPU memory grow, unless the user has configured the allocator.

    Packs differ in length from step to step; in segments of fixed size that leaves holes that no later pack fits into,
    and a run ends out of memory with gigabytes free.
    """
    if not any(name in os.environ for name in VARIABLES):
        os.environ[VARIABLES[0]] = "expandable_segments:True"
