"""Small draft configs and drafts whose proposals are not all alike."""

from __future__ import annotations

from typing import Any

import torch
from draftsmith_trainer.algorithms.drafts import new_draft
from draftsmith_trainer.algorithms.plain.settings import PlainConfig
from draftsmith_trainer.draft.config import DraftConfig
from draftsmith_trainer.draft.model import DFlashDraft
from target_maker import HIDDEN, LAYERS, VOCAB


def small_config(**changes: Any) -> DraftConfig:
    """A 2-layer draft of the tiny targets, block 4."""
    values: dict[str, Any] = {
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "intermediate_size": 96,
        "vocab_size": VOCAB,
        "block_size": 4,
        "mask_token_id": 510,
        "target_layer_ids": (3, 4),
        "num_target_layers": LAYERS,
        "algorithm": PlainConfig(),
    }
    return DraftConfig(**{**values, **changes})


def lively_draft(config: DraftConfig, seed: int = 0) -> DFlashDraft:
    """A random draft with weights large enough that attention matters."""
    draft = new_draft(config, seed).eval()
    with torch.no_grad():
        for parameter in draft.parameters():
            if parameter.dim() > 1:
                parameter.mul_(2)
            elif not (parameter == 1).all():
                parameter.normal_(0, 0.1)
    return draft
