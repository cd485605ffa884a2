"""The interface of a drafting algorithm: its modules, its loss, its proposals, its export contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from ..data.batch import Batch
from ..draft.config import DraftConfig
from ..draft.fit import Check
from ..draft.model import DFlashDraft, initialise
from ..losses import BlockLoss, LossRule, SoftTargets


@dataclass(frozen=True)
class BlockOutputs:
    """The outputs of one backbone pass that an algorithm's loss reads.

    Attributes:
        hidden: [N, B, H], after the draft's final norm.
        batch: the blocks, their positions and labels.
        states: [T, K*H], the captured target states that ``batch.offset`` indexes.
        embed, lm_head: [V, H], the target's, frozen.
        soft: the target's own distributions at the labeled places; only for algorithms that take :attr:`.soft_labels`.
    """

    hidden: Tensor
    batch: Batch
    states: Tensor
    embed: Tensor
    lm_head: Tensor
    soft: SoftTargets | None = None


@dataclass(frozen=True)
class ExportContract:
    """What the algorithm's draft class in SGLang and vLLM expects of a draft directory.

    Attributes:
        keys: required keys of config.json, nested ones joined by dots.
        tensors: name -> shape of every tensor in model.safetensors.
        since: engine -> the first release known to have the draft class; engines without it are left out.
        checks: name -> check, beyond those that apply to every draft (see :mod:`.contract`).
    """

    keys: tuple[str, ...]
    tensors: Callable[[DraftConfig], dict[str, tuple[int, ...]]]
    since: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[tuple[str, Check], ...] = ()


class Algorithm(ABC):
    """A method of turning the backbone's block states into drafted tokens. Instances are stateless."""

    #: The name in its :class:`..draft.config.AlgorithmConfig`.
    name: ClassVar[str]
    contract: ClassVar[ExportContract]
    #: Whether the loss can learn from the target's own distributions.
    soft_labels: ClassVar[bool] = False

    def build(self, config: DraftConfig) -> DFlashDraft:
        """The draft's modules, uninitialised. Parameter names are those of the export contract."""
        return DFlashDraft(config)

    def initialise(self, draft: DFlashDraft, generator: torch.Generator) -> None:
        """Initialises the weights; the same generator state gives the same weights."""
        initialise(draft, generator)

    @abstractmethod
    def loss(self, draft: DFlashDraft, outputs: BlockOutputs, rule: LossRule) -> BlockLoss:
        """The loss of one batch, not yet normalised by its weight."""

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
