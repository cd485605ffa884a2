"""One pass of a draft over prepared blocks, the same for training and for evaluation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .attend import AttentionKind, make_attend
from .config import DraftConfig

#: A draft, or a draft wrapped for data parallelism: called as :meth:`.model.DFlashDraft.forward` is.
DraftModule = Callable[..., Tensor]


def block_positions(config: DraftConfig, anchors: Tensor, positions: Tensor) -> Tensor:
    """Where the places of each block are, int64 [R, N*B], or [3, R, N*B] for an mrope draft.

    Plain and partial drafts count tokens (an image pad counts 1, as engines do). An mrope draft takes the target's own
    positions; past the end of the row they go on by one per token.

    Args:
        anchors: int64 [R, N].
        positions: int64 [3, R, S], the target's.
    """
    places = (anchors[..., None] + torch.arange(config.block_size, device=anchors.device)).flatten(1)
    if config.rotary != "mrope":
        return places
    last = positions.shape[-1] - 1
    inside = places.clamp(max=last)
    gathered = positions.gather(2, inside[None].expand(3, -1, -1))
    return gathered + (places - inside)


def context_positions(config: DraftConfig, positions: Tensor, length: int) -> Tensor:
    """Positions of the context, int64 [R, C] or [3, R, C], for the first ``length`` tokens."""
    if config.rotary == "mrope":
        return positions[..., :length]
    return torch.arange(length, device=positions.device).expand(positions.shape[1], -1)


def run_blocks(
    module: DraftModule,
    config: DraftConfig,
    embed: Tensor,
    states: Tensor,
    positions: Tensor,
    anchors: Tensor,
    keep: Tensor,
    ids: Tensor,
    attention: AttentionKind,
) -> Tensor:
    """The draft's output for every place of every block, [R, N, B, H].

    Args:
        embed: [V, H], the target's frozen embedding.
        states: [R, C, K*H], captured target states. positions: int64 [3, R, S], the target's.
        anchors, keep: [R, N]; ids: int64 [R, N, B], as :class:`draftsmith_trainer.data.blocks.Blocks` has them.
    """
    length = states.shape[1]
    attend = make_attend(attention, anchors, keep, config.block_size, length)
    hidden = module(
        states,
        context_positions(config, positions, length),
        embed[ids].flatten(1, 2),
        block_positions(config, anchors, positions),
        attend,
    )
    return hidden.view(*ids.shape, -1)
