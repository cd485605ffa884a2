"""Creates drafts and single-sequence drafters by combining an algorithm with the backbone."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ..draft.config import DraftConfig
from ..draft.infer import BlockDrafter
from ..draft.model import DFlashDraft
from .registry import algorithm_of


def new_draft(config: DraftConfig, seed: int) -> DFlashDraft:
    """A draft with newly initialised weights; the same seed gives the same weights."""
    algorithm = algorithm_of(config)
    draft = algorithm.build(config)
    algorithm.initialise(draft, torch.Generator().manual_seed(seed))
    return draft


def block_drafter(draft: DFlashDraft, embed: Tensor, lm_head: Tensor) -> BlockDrafter:
    """A drafter for one sequence. ``embed``, ``lm_head``: [V, H], the target's."""
    return BlockDrafter(draft, embed, partial(algorithm_of(draft.config).propose, draft, lm_head=lm_head))
