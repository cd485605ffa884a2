"""One round of DFlash speculative decoding over a batch: draft blocks, verify them in one pass, keep what matches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .batch import BatchedSequence, Joined, SequenceBatch


@dataclass(frozen=True)
class Seen:
    """The target's final states that a sequence's drafts may read from now on.

    Attributes:
        captured: [n, K*H], of the next n positions.
        positions: int64 [3, n], the target's own positions, for mrope drafts; otherwise None.
    """

    captured: Tensor
    positions: Tensor | None


class Drafters(Protocol):
    """Drafts for the sequences of a batch, by their rows."""

    @property
    def block_size(self) -> int:
        """B, which counts the anchor and B - 1 drafted tokens."""
        ...

    def join(self, row: int, seen: Seen) -> None:
        """Begins the next row, whose prompt is ``seen``."""
        ...

    def extend(self, seen: Sequence[Seen]) -> None:
        """Takes new final states, of every row in order."""
        ...

    def draft(self, anchors: Sequence[int]) -> Tensor:
        """Tokens [R, B - 1] for the positions after each row's anchor, the token after its last known position."""
        ...

    def leave(self, row: int, last: int) -> None:
        """Drops a row; the row ``last``, behind which there is none, takes its place."""
        ...


class Drafter(Protocol):
    """Drafts for one sequence; ``draft.infer.BlockDrafter`` is one."""

    @property
    def block_size(self) -> int:
        """See :class:`Drafters`."""
        ...

    def extend(self, captured: Tensor, positions: Tensor | None = None) -> None:
        """Appends the target's captured states [n, K*H] of the next n accepted positions."""
        ...

    def draft(self, anchor_id: int) -> Tensor:
        """Drafts B - 1 tokens that follow the anchor, the token right after the last appended position."""
        ...


class OneByOne:
    """Drafters that each know one sequence."""

    def __init__(self, new_drafter: Callable[[], Drafter]) -> None:
        self._new_drafter = new_drafter
        self._rows: list[Drafter] = []
        self.block_size = 0

    def join(self, row: int, seen: Seen) -> None:
        """See :class:`Drafters`."""
        assert row == len(self._rows), "rows are consecutive"
        drafter = self._new_drafter()
        self.block_size = drafter.block_size
        drafter.extend(seen.captured, seen.positions)
        self._rows.append(drafter)

    def extend(self, seen: Sequence[Seen]) -> None:
        """See :class:`Drafters`."""
        for drafter, one in zip(self._rows, seen, strict=True):
            drafter.extend(one.captured, one.positions)

    def draft(self, anchors: Sequence[int]) -> Tensor:
        """See :class:`Drafters`."""
        return torch.stack([drafter.draft(anchor) for drafter, anchor in zip(self._rows, anchors, strict=True)])

    def leave(self, row: int, last: int) -> None:
        """See :class:`Drafters`."""
        assert last == len(self._rows) - 1, "rows are consecutive"
        self._rows[row] = self._rows[last]
        self._rows.pop()


@dataclass(frozen=True)
class Drafting:
    """How to draft.

    Attributes:
        new_drafters: makes the drafters of a batch of at most so many rows.
        capture: the target layers whose outputs they read.
        positions_3d: whether they want the target's 3-D positions (mrope drafts).
    """

    new_drafters: Callable[[int], Drafters]
    capture: tuple[int, ...]
    positions_3d: bool = False


@dataclass(frozen=True)
class Round:
    """A sequence's result of one round: drafted tokens that the target agreed with, then the target's next one."""

    tokens: list[int]
    matched: int


class Speculation:
    """The drafters of a batch, kept in step with its rows."""

    def __init__(self, drafting: Drafting, batch: SequenceBatch) -> None:
        self._batch = batch
        self._positions_3d = drafting.positions_3d
        self._drafters = drafting.new_drafters(batch.max_rows)

    @property
    def proposed(self) -> int:
        """Tokens drafted per block."""
        return self._drafters.block_size - 1

    @torch.inference_mode()
    def join(self, start: Joined) -> None:
        """Begins with a prefilled sequence, in the order in which they joined the batch."""
        assert start.captured is not None, "the batch does not capture layers"
        sequence = start.sequence
        positions = sequence.prompt.positions.to(start.captured.device) if self._positions_3d else None
        self._drafters.join(sequence.row, Seen(start.captured, positions))

    @torch.inference_mode()
    def leave(self, sequence: BatchedSequence) -> None:
        """Forgets a sequence; call it before the sequence leaves the batch."""
        self._drafters.leave(sequence.row, len(self._batch.sequences) - 1)

    @torch.inference_mode()
    def run_round(self, anchors: list[int]) -> list[Round]:
        """Advances every sequence of the batch by 1 to B tokens.

        Args:
            anchors: each sequence's last token, not fed yet; the rows hold everything before it.
        """
        drafted = self._drafters.draft(anchors).cpu()
        blocks = torch.cat((torch.tensor(anchors)[:, None], drafted), dim=1)
        starts = [sequence.length + sequence.prompt.delta for sequence in self._batch.sequences]
        own, captured = self._batch.verify(blocks)
        assert captured is not None, "the batch does not capture layers"
        own = own.cpu()
        # The length of the matching prefix: the cumulative product turns 0 at the first mismatch.
        matched: list[int] = (own[:, :-1] == drafted).long().cumprod(dim=1).sum(dim=1).tolist()
        self._batch.keep([m + 1 for m in matched], blocks.shape[1])
        self._drafters.extend([self._seen(captured[r, : m + 1], starts[r]) for r, m in enumerate(matched)])
        pairs = zip(drafted.tolist(), own.tolist(), matched, strict=True)
        return [Round([*block[:m], next_one[m]], m) for block, next_one, m in pairs]

    def _seen(self, captured: Tensor, start: int) -> Seen:
        if not self._positions_3d:
            return Seen(captured, None)
        positions = start + torch.arange(len(captured), device=captured.device)
        return Seen(captured, positions.expand(3, -1))
