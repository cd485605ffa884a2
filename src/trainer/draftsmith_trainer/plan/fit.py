"""Whether a run fits the available GPUs, and if not, what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..draft.config import DraftConfig
from .cards import KNOWN, Card
from .memory import Memory, Pack, training_memory
from .options import PlanJob
from .parameters import target_parameters
from .scope import scope_of
from .shape import TargetShape
from .work import layers_run

#: The options' smallest values.
_LEAST_TOKENS = 128


@dataclass(frozen=True)
class Refusal:
    """Why a run does not fit, and what to change."""

    message: str
    hint: str


def shards_target(job: PlanJob, memory: Memory, here: Sequence[Card]) -> bool:
    """Whether a run spreads its target over the GPUs.

    Args:
        memory: of the run with a whole target on each GPU.
    """
    if job.world == 1 or job.options.device == "cpu":
        return False
    wish = job.options.shard_target
    return memory.total > _judge(here).memory if wish == "auto" else wish


def _judge(here: Sequence[Card]) -> Card:
    """The card that a run must fit: this machine's smallest, or without any the largest that is known."""
    return min(here, key=lambda each: each.memory) if here else max(KNOWN, key=lambda each: each.memory)


def refuse(
    job: PlanJob, shape: TargetShape, config: DraftConfig, memory: Memory, here: Sequence[Card], element: int
) -> Refusal | None:
    """Rejects a run that does not fit this machine's GPUs or, if it has none, any known GPU; None if the run fits.

    Args:
        memory: of the run as configured. element: bytes per number in computations.
    """
    if job.options.device == "cpu":
        return None
    card = _judge(here)
    if memory.total <= card.memory:
        return None
    whose = f"this machine's {card.name}" if here else f"an {card.name}"
    message = f"training takes {gib(memory.total)} GiB on each GPU, {whose} has {gib(card.memory)}"
    return Refusal(message, _advice(job, shape, config, card, element))


def _advice(job: PlanJob, shape: TargetShape, config: DraftConfig, card: Card, element: int) -> str:
    """Suggests pass sizes that fit or, if none do, names what takes the memory."""
    soft = job.options.soft_labels is not None
    kept = target_parameters(shape.text, shape.tower, layers_run(shape, config, soft))
    shards = 1 if job.options.shard_target is False else job.world

    def fits(pack: Pack, draft: DraftConfig = config) -> bool:
        return training_memory(shape, kept, draft, pack, element, shards, soft).total <= card.memory

    pack_tokens, draft_tokens = job.options.pack_tokens, job.options.draft_tokens
    while max(pack_tokens, draft_tokens) > _LEAST_TOKENS:
        pack_tokens, draft_tokens = (max(_LEAST_TOKENS, tokens // 2) for tokens in (pack_tokens, draft_tokens))
        smaller = replace(job.options, pack_tokens=pack_tokens, draft_tokens=draft_tokens)
        if fits(scope_of(replace(job, options=smaller), config, element).pack):
            return f"packTokens {pack_tokens} and draftTokens {draft_tokens} fit; a lower maxLength may, too"
    if fits(Pack(0, 0, 0), replace(config, num_hidden_layers=1, layer_types=())):
        return "lower draft.layers, draft.intermediateSize or maxLength"
    weights = (kept.layers + kept.tower + kept.embedding + kept.head) * element
    instead = "dtype bf16" if element == 4 else "GPUs with more memory, or processes on several with shardTarget: auto"
    return f"the target's weights alone take {gib(weights)} GiB: use {instead}"


def gib(count: float) -> str:
    """Bytes as GiB with one decimal."""
    return f"{count / 2**30:.1f}"
