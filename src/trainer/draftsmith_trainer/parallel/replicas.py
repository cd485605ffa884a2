"""Data parallelism: a copy of the draft on each rank, with gradients averaged over all ranks."""

from __future__ import annotations

from typing import cast

import torch

from ..draft.model import DFlashDraft
from ..draft.passes import DraftModule
from .ranks import Ranks

#: MiB of gradients per collective. Fixed, so that the order of summation does not depend on PyTorch's default.
BUCKET_MB = 25


def data_parallel(draft: DFlashDraft, ranks: Ranks, device: str) -> DraftModule:
    """The draft, wrapped so that the backward pass averages its gradient over the ranks.

    Gradients are views of the communication buckets, which saves a second copy: 4 bytes per parameter.

    Args:
        device: "cuda" or "cpu".
    """
    if ranks.world == 1:
        return draft
    from torch.nn.parallel import DistributedDataParallel

    wrapped: torch.nn.Module = DistributedDataParallel(
        draft,
        device_ids=[ranks.local] if device == "cuda" else None,
        bucket_cap_mb=BUCKET_MB,
        gradient_as_bucket_view=True,
        # The rotary tables are equal on all ranks, and every pass uses every parameter.
        broadcast_buffers=False,
        find_unused_parameters=False,
    )
    return cast(DraftModule, wrapped)
