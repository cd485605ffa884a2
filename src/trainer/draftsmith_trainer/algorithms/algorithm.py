"""The interface of a drafting algorithm: its modules, its loss, its proposals, its export contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..data.batch import Batch
from ..draft.config import DraftConfig
from ..draft.model import DFlashDraft, initialise
from ..losses import BlockLoss, LossRule
from ..target.spec import TargetSpec

#: What is wrong with a draft for a target, as a sentence; None when nothing is.
Check = Callable[[DraftConfig, TargetSpec], str | None]


@dataclass(frozen=True)
class BlockOutputs:
    """What one pass of the backbone gives an algorithm's loss.

    Attributes:
        hidden: [N, B, H], after the draft's final norm.
        batch: where the blocks are and what each place should say.
        states: [T, K*H], the captured target states that ``batch.offset`` counts in.
        embed, lm_head: [V, H], the target's, frozen.
    """

    hidden: Tensor
    batch: Batch
    states: Tensor
    embed: Tensor
    lm_head: Tensor


@dataclass(frozen=True)
class ExportContract:
    """What the draft class of SGLang and vLLM for this algorithm expects to find.

    Attributes:
        keys: keys of config.json that must be set, nested ones joined by a dot.
        tensors: name -> shape of everything in model.safetensors.
        checks: name -> check, beyond those that hold for every draft (see :mod:`.contract`).
    """

    keys: tuple[str, ...]
    tensors: Callable[[DraftConfig], dict[str, tuple[int, ...]]]
    checks: tuple[tuple[str, Check], ...] = ()


class Algorithm(ABC):
    """One way to turn the backbone's block states into drafted tokens. Instances hold no state."""

    #: As its :class:`..draft.config.AlgorithmConfig` has it.
    name: ClassVar[str]
    contract: ClassVar[ExportContract]

    def build(self, config: DraftConfig) -> DFlashDraft:
        """The draft's modules, parameters not yet set. Parameter names are those of the export contract."""
        return DFlashDraft(config)

    def initialise(self, draft: DFlashDraft, generator: torch.Generator) -> None:
        """Sets fresh weights; the same weights for the same state of the generator."""
        initialise(draft, generator)

    @abstractmethod
    def loss(self, draft: DFlashDraft, outputs: BlockOutputs, rule: LossRule) -> BlockLoss:
        """The loss of one batch, not yet divided by its weight."""

    @abstractmethod
    def propose(self, draft: DFlashDraft, hidden: Tensor, anchor_ids: Tensor, lm_head: Tensor) -> Tensor:
        """Greedy tokens for places 1..B-1 of each block.

        Args:
            hidden: [..., B, H], the draft's output.
            anchor_ids: int64 [...], the token at place 0.
            lm_head: [V, H], the target's, frozen.

        Returns:
            int64 [..., B - 1].
        """
