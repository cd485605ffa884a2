"""One copy of the draft on each rank, gradients averaged over all."""

from __future__ import annotations

from typing import cast

import torch

from ..draft.model import DFlashDraft
from ..draft.passes import DraftModule
from .ranks import Ranks

#: MiB of gradient in one collective. Fixed, so that a newer PyTorch with another default sums in the same order.
BUCKET_MB = 25


def data_parallel(draft: DFlashDraft, ranks: Ranks, device: str) -> DraftModule:
    """The draft, wrapped so that the backward pass averages its gradient over the ranks.

    Gradients are views of the buckets that are exchanged: no second copy of them, which is 4 bytes a parameter less.

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
        # The rotary tables are the same everywhere; every parameter takes part in every pass.
        broadcast_buffers=False,
        find_unused_parameters=False,
    )
    return cast(DraftModule, wrapped)
