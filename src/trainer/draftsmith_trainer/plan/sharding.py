"""Whether a training spreads its target over the GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..base.errors import UserError
from ..draft.config import DraftConfig
from ..train.corpus import Corpus
from ..train.options import TrainOptions
from .fit import gib
from .memory import training_memory
from .parameters import target_parameters
from .scope import largest_pack
from .shape import read_shape
from .work import layers_run


@dataclass(frozen=True)
class Sharding:
    """The decision, and why, where that is worth a sentence."""

    shard: bool
    reason: str | None = None


def decide_sharding(
    options: TrainOptions,
    target: Path,
    config: DraftConfig,
    corpus: Corpus,
    element: int,
    world: int,
    card: int | None,
) -> Sharding:
    """Resolves the option ``shardTarget``: "auto" shards what the estimate does not fit into the smallest GPU.

    Args:
        element: bytes of a number in computations. world: processes. card: bytes of the smallest GPU; None on a CPU.

    Raises:
        UserError: ``bad-option`` for true with a single process, which has nobody to share with.
    """
    if options.shard_target is True and world == 1:
        raise UserError(
            "bad-option",
            "shardTarget is true, but there is one process only",
            "set processes to the number of GPUs, or use shardTarget: auto",
            "shardTarget",
        )
    if options.shard_target != "auto" or world == 1 or card is None:
        return Sharding(options.shard_target is True)
    shape = read_shape(target)
    soft = options.soft_labels is not None
    kept = target_parameters(shape.text, shape.tower, layers_run(shape, config, soft))
    pack = largest_pack(corpus.facts.take(corpus.usable), options, config.block_size)
    wanted = training_memory(shape, kept, config, pack, element, soft=soft).total
    if wanted <= card:
        return Sharding(False)
    reason = f"whole, training takes {gib(wanted)} GiB on each, and the smallest has {gib(card)}"
    return Sharding(True, f"the target's layers are spread over {world} GPUs: {reason}")
