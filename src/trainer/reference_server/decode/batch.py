"""A batch of sequences: each joins after its own prefill, all advance together, and each leaves when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .decoder import Decoder
from .forward import Feed, Forward
from .hybrid import RecurrentUndo
from .prefix_cache import Entry, PrefixCache
from .prompt import Prompt


@dataclass(eq=False)
class BatchedSequence:
    """One sequence in the batch.

    Attributes:
        prompt: the prompt it continues.
        row: its index in the cache; changes when other sequences leave.
        length: number of tokens in the cache.
        fed: tokens fed after the prompt.
        cached_tokens: number of prompt tokens taken from the prefix cache.
        captured: [n, K*H] pieces that cover all cached tokens, for the prefix cache; empty when no layer is captured.
    """

    prompt: Prompt
    row: int
    length: int
    cached_tokens: int
    fed: list[int] = field(default_factory=list)
    captured: list[Tensor] = field(default_factory=list)


class Joined(NamedTuple):
    """A sequence that has just been prefilled.

    Attributes:
        sequence: the sequence.
        first: the first generated token.
        captured: [S, K*H], the captured states of its prompt; None when no layer is captured.
    """

    sequence: BatchedSequence
    first: int
    captured: Tensor | None


class SequenceBatch:
    """Up to ``max_rows`` sequences that share one cache.

    There are two kinds of forward pass: ``advance`` (one token per running sequence, and the prompts of new ones) and
    ``verify`` (one block per sequence, of which ``keep`` then retains the accepted part).
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
        """How many more sequences can join."""
        return self.max_rows - len(self.sequences)

    def join(self, prompt: Prompt) -> Joined:
        """Prefills one prompt."""
        return self.advance([prompt], [])[0][0]

    def step(self, tokens: list[int]) -> list[int]:
        """Feeds one token per row and returns each row's next token."""
        return self.advance([], tokens)[1]

    @torch.inference_mode()
    def advance(self, prompts: Sequence[Prompt], tokens: list[int]) -> tuple[list[Joined], list[int]]:
        """Prefills prompts and feeds one token to every row that was there before (or to none), in one forward pass.

        Returns:
            The new sequences, and the next token of each row that was fed one.
        """
        assert self.free >= len(prompts), "the batch is full"
        assert len(tokens) in (0, len(self.sequences)), "one token for each row"
        running = list(self.sequences) if tokens else []
        feeds = [self._step_feed(torch.tensor(tokens, dtype=torch.int64)[:, None])] if running else []
        known: list[Tensor | None] = []
        joined: list[BatchedSequence] = []
        for prompt in prompts:
            member, before = self._enter(prompt)
            joined.append(member)
            known.append(before)
            feeds.append(self.target.prompt_feed(member.row, prompt, member.cached_tokens))
        outs = self.target.run(self.cache, feeds, self.capture)
        hidden = [out.hidden[0, -1:] for out in outs[-len(prompts) :]] if prompts else []
        if running:
            hidden.insert(0, outs[0].hidden[:, 0])
        best: list[int] = self.target.logits(torch.cat(hidden)).argmax(-1).tolist()
        for member, token in zip(running, tokens, strict=False):
            member.length += 1
            member.fed.append(token)
        starts: list[Joined] = []
        for member, before, out, first in zip(
            joined, known, outs[len(feeds) - len(prompts) :], best[len(running) :], strict=True
        ):
            if out.captured is not None:
                member.captured = [out.captured[0] if before is None else torch.cat((before, out.captured[0]))]
            starts.append(Joined(member, first, member.captured[0] if member.captured else None))
        return starts, best[: len(running)]

    @torch.inference_mode()
    def verify(self, blocks: Tensor) -> tuple[Tensor, Tensor | None]:
        """Feeds one block of n tokens per row; returns the target's next tokens [R, n] and captured states [R, n, K*H].

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
        """Keeps the first ``counts[r]`` (at least 1) of the ``fed`` tokens just verified in row r; drops the others."""
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
        """Removes a sequence and hands its state to the prefix cache."""
        if self.prefixes is not None:
            key = np.concatenate([member.prompt.key, np.array(member.fed, dtype=np.int64)])
            captured = torch.cat(member.captured) if member.captured else None
            self.prefixes.keep(Entry(key, self.cache.read(member.row, member.length), captured))
        last = self.sequences.pop()
        if last is not member:
            # Rows stay consecutive, so that a step can use views instead of gathered copies.
            self.cache.move(last.row, member.row, last.length)
            last.row = member.row
            self.sequences[last.row] = last

    def _enter(self, prompt: Prompt) -> tuple[BatchedSequence, Tensor | None]:
        """Adds a sequence, filled from the prefix cache; also returns the captured states of the cached part."""
        row, start = len(self.sequences), 0
        before: Tensor | None = None
        found = self.prefixes.find(prompt.key) if self.prefixes is not None else None
        if found is not None:
            entry, start = found
            self.cache.put(row, entry.state, start)
            before = None if entry.captured is None else entry.captured[:start]
        member = BatchedSequence(prompt, row, len(prompt), start)
        self.sequences.append(member)
        return member, before

    def _step_feed(self, tokens: Tensor) -> Feed:
        past = [member.length for member in self.sequences]
        deltas = [member.prompt.delta for member in self.sequences]
        return self.target.step_feed(past, deltas, tokens)

    def _feed(self, tokens: Tensor) -> Forward:
        return self.target.run(self.cache, [self._step_feed(tokens)], self.capture)[0]
