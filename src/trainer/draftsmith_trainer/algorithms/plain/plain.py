"""The plain DFlash algorithm. Source: DFlash (arXiv 2602.06036)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ...draft.model import DFlashDraft
from ...draft.tensors import backbone_tensors
from ...losses import BlockLoss, LossRule, frozen_head_loss
from ..algorithm import Algorithm, BlockOutputs, ExportContract
from .propose import propose_greedily
from .settings import PlainConfig


class Plain(Algorithm):
    """The backbone alone: no modules, no keys and no tensors of its own."""

    name: ClassVar[str] = PlainConfig.name
    soft_labels: ClassVar[bool] = True
    contract: ClassVar[ExportContract] = ExportContract(
        keys=(
            "model_type",
            "num_target_layers",
            "max_position_embeddings",
            "dflash_config.block_size",
            "dflash_config.mask_token_id",
            "dflash_config.target_layer_ids",
        ),
        tensors=backbone_tensors,
        since={"SGLang": "0.5.13", "vLLM": "0.33.0"},
    )

    def loss(self, draft: DFlashDraft, outputs: BlockOutputs, rule: LossRule) -> BlockLoss:
        """Weighted cross-entropy of every place against its label."""
        del draft
        batch = outputs.batch
        hidden = outputs.hidden.flatten(0, 1)[batch.places]
        return frozen_head_loss(
            hidden,
            batch.labels,
            batch.places,
            batch.ends,
            batch.block_size,
            outputs.lm_head,
            rule,
            soft=outputs.soft,
        )

    def propose(self, draft: DFlashDraft, hidden: Tensor, anchor_ids: Tensor, lm_head: Tensor) -> Tensor:
        """The argmax at every place, independent of the other places and the anchor."""
        del draft, anchor_ids
        return propose_greedily(hidden[..., 1:, :], lm_head)
