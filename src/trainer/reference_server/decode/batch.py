"""Sequences decoded side by side: they join after their own prefill, take steps together, and leave one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .decoder import Decoder, Forward
from .hybrid import RecurrentUndo
from .prefix_cache import Entry, PrefixCache
from .prompt import Prompt


@dataclass(eq=False)
class BatchedSequence:
    """One sequence in the batch.

    Attributes:
        prompt: what it began with.
        row: its index in the cache; changes when others leave.
        length: tokens in the cache.
        fed: tokens fed after the prompt.
        cached_tokens: prompt tokens that came from the prefix cache.
        captured: [n, K*H] pieces for all cached tokens, kept for the prefix cache when layers are captured.
    """

    prompt: Prompt
    row: int
    length: int
    cached_tokens: int
    fed: list[int] = field(default_factory=list)
    captured: list[Tensor] = field(default_factory=list)


class SequenceBatch:
    """Up to ``max_rows`` sequences over one cache.

    Every forward belongs to one of three kinds: ``join`` (the prompt of one sequence), ``step`` (one token each) and
    ``verify`` (a block each, of which ``keep`` then keeps the accepted part).
    """

    def __init__(
        self,
        target: Decoder,
        max_rows: int,
        capture: Sequence[int] = (),
        prefixes: PrefixCache | None = None,
    ) -> None:
        self.target = target
        self.max_rows = max_rows
        self.capture = tuple(capture)
        self.prefixes = prefixes
        self.cache = target.new_cache(max_rows)
        self.sequences: list[BatchedSequence] = []
        self._undo: RecurrentUndo | None = None
        self._captured: Tensor | None = None

    @property
    def free(self) -> int:
        """How many more sequences fit."""
        return self.max_rows - len(self.sequences)

    @torch.inference_mode()
    def join(self, prompt: Prompt) -> tuple[BatchedSequence, int, Tensor | None]:
        """Prefills a prompt; returns its row, the first token, and captured states [S, K*H] if layers are captured."""
        assert self.free > 0, "the batch is full"
        row, start = len(self.sequences), 0
        pieces: list[Tensor] = []
        found = self.prefixes.find(prompt.key) if self.prefixes is not None else None
        if found is not None:
            entry, start = found
            self.cache.write(row, entry.state, start, self.target.like)
            if entry.captured is not None:
                pieces.append(entry.captured[:start])
        out = self.target.prefill(self.cache, row, prompt, start, self.capture)
        first = int(self.target.logits(out.hidden[0, -1:]).argmax())
        if out.captured is not None:
            pieces.append(out.captured[0])
        captured = torch.cat(pieces) if pieces else None
        member = BatchedSequence(prompt, row, len(prompt), start, captured=[] if captured is None else [captured])
        self.sequences.append(member)
        return member, first, captured

    @torch.inference_mode()
    def step(self, tokens: list[int]) -> list[int]:
        """Feeds one token per row and returns the next one of each."""
        out = self._feed(torch.tensor(tokens, dtype=torch.int64)[:, None])
        for member, token in zip(self.sequences, tokens, strict=True):
            member.length += 1
            member.fed.append(token)
        best: list[int] = self.target.logits(out.hidden[:, 0]).argmax(-1).tolist()
        return best

    @torch.inference_mode()
    def verify(self, blocks: Tensor) -> tuple[Tensor, Tensor | None]:
        """Feeds a block [R, n] per row; returns the target's own next tokens [R, n] and captured states [R, n, K*H].

        Must be followed by ``keep``.
        """
        if self.target.hybrid:
            self._undo = RecurrentUndo(self.target, self.cache, len(self.sequences))
        try:
            out = self._feed(blocks)
        finally:
            if self._undo is not None:
                self._undo.stop()
        for member, block in zip(self.sequences, blocks.tolist(), strict=True):
            member.length += len(block)
            member.fed.extend(block)
        self._captured = out.captured
        R, n, H = out.hidden.shape
        return self.target.logits(out.hidden.reshape(R * n, H)).argmax(-1).view(R, n), out.captured

    @torch.inference_mode()
    def keep(self, counts: list[int], fed: int) -> None:
        """Of the ``fed`` tokens per row just verified, keeps the first ``counts[r]`` (at least 1)."""
        for member, count in zip(self.sequences, counts, strict=True):
            drop = fed - count
            if drop:
                member.length -= drop
                del member.fed[-drop:]
            if self._captured is not None:
                member.captured.append(self._captured[member.row, :count])
        if self._undo is not None:
            self._undo.replay(counts, fed)
            self._undo = None

    @torch.inference_mode()
    def leave(self, member: BatchedSequence) -> None:
        """Takes a sequence out; its state goes to the prefix cache."""
        if self.prefixes is not None:
            key = np.concatenate([member.prompt.key, np.array(member.fed, dtype=np.int64)])
            captured = torch.cat(member.captured) if member.captured else None
            self.prefixes.keep(Entry(key, self.cache.read(member.row, member.length), captured))
        last = self.sequences.pop()
        if last is not member:
            # Rows stay consecutive, so that a step works on views instead of gathered copies.
            self.cache.move(last.row, member.row, last.length)
            last.row = member.row
            self.sequences[last.row] = last

    def _feed(self, tokens: Tensor) -> Forward:
        past = [member.length for member in self.sequences]
        deltas = [member.prompt.delta for member in self.sequences]
        return self.target.step(self.cache, past, deltas, tokens, self.capture)
