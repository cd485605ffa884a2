"""One round of speculative decoding (DFlash) over a batch: draft blocks, verify all in one forward, keep what fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .batch import BatchedSequence, SequenceBatch


class Drafter(Protocol):
    """Drafts for one sequence; ``draft.infer.BlockDrafter`` is the real one."""

    @property
    def block_size(self) -> int:
        """B: the anchor and B - 1 drafted tokens."""
        ...

    def extend(self, captured: Tensor, positions: Tensor | None = None) -> None:
        """Takes the target's captured states [n, K*H] of the next n final positions."""
        ...

    def draft(self, anchor_id: int) -> Tensor:
        """Tokens [B - 1] for the positions after the anchor, which is the token after the last extended position."""
        ...


@dataclass(frozen=True)
class Drafting:
    """How to draft.

    Attributes:
        new_drafter: makes a drafter for a new sequence.
        capture: the target layers whose outputs it reads.
        positions_3d: whether it wants the target's 3-D positions (mrope drafts).
    """

    new_drafter: Callable[[], Drafter]
    capture: tuple[int, ...]
    positions_3d: bool = False


@dataclass(frozen=True)
class Round:
    """What one round gave a sequence: the drafted tokens that the target agreed with, then the target's next one."""

    tokens: list[int]
    matched: int


@torch.inference_mode()
def begin(drafting: Drafting, sequence: BatchedSequence, captured: Tensor) -> Drafter:
    """A drafter that has seen the whole prompt; ``captured``: [S, K*H]."""
    drafter = drafting.new_drafter()
    drafter.extend(captured, sequence.prompt.positions.to(captured.device) if drafting.positions_3d else None)
    return drafter


@torch.inference_mode()
def run_round(batch: SequenceBatch, drafting: Drafting, drafters: list[Drafter], anchors: list[int]) -> list[Round]:
    """Advances every sequence of the batch by 1 to B tokens.

    Args:
        batch: its rows hold everything before the anchors.
        drafting: see there.
        drafters: one per sequence.
        anchors: each sequence's last token, not fed yet.
    """
    size = drafters[0].block_size
    blocks = torch.empty(len(anchors), size, dtype=torch.int64)
    for r, (drafter, anchor) in enumerate(zip(drafters, anchors, strict=True)):
        blocks[r, 0] = anchor
        blocks[r, 1:] = drafter.draft(anchor)
    starts = [sequence.length + sequence.prompt.delta for sequence in batch.sequences]
    own, captured = batch.verify(blocks)
    assert captured is not None, "the batch does not capture layers"
    own = own.cpu()
    # The prefix that agrees: the running product of matches.
    matched = (own[:, :-1] == blocks[:, 1:]).long().cumprod(dim=1).sum(dim=1).tolist()
    batch.keep([m + 1 for m in matched], size)
    rounds = []
    for r, m in enumerate(matched):
        positions = None
        if drafting.positions_3d:
            positions = (starts[r] + torch.arange(m + 1, device=captured.device)).expand(3, -1)
        drafters[r].extend(captured[r, : m + 1], positions)
        rounds.append(Round([*blocks[r, 1 : m + 1].tolist(), int(own[r, m])], m))
    return rounds
