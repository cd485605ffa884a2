"""A request to continue a prompt: its parameters, the tokens so far, and why it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from .prompt import Prompt

FinishType = Literal["stop", "length", "abort"]


@dataclass(frozen=True)
class Finish:
    """Why an answer ended.

    Attributes:
        type: ``stop`` (a stop token or string), ``length``, or ``abort``.
        matched: the stop token's id or the stop string.
        message: for ``abort``.
    """

    type: FinishType
    matched: int | str | None = None
    message: str | None = None


@dataclass
class DraftCounts:
    """Counts of speculative decoding for one answer.

    Attributes:
        proposed: number of drafted tokens, block_size - 1 per step.
        matched: per step, the number of drafted tokens that the target agreed with, including those after the answer's
            end.
        accepted: the same without tokens after the answer's end. The answer has 1 + steps + sum(accepted) ids, or one
            less if the answer ended before the last step's own token.
    """

    proposed: int = 0
    matched: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)


@dataclass(eq=False)
class DecodeRequest:
    """A request to continue a prompt.

    Attributes:
        prompt: the prompt to continue.
        max_new_tokens: limit on new tokens; 0 only runs the prompt.
        stop_ids: tokens that end the answer; the one that does is its last token.
        find_stop: called after each token with all ids so far; returns the stop string that they complete, or None.
        on_tokens: called after each step with the request, from the decoding thread; lastly with ``finish`` set.
        ids: the tokens so far.
        finish: why the answer ended; None while it runs.
        cached_tokens: number of prompt tokens taken from the prefix cache.
        drafts: counts of speculative decoding; None without a draft.
        wants_states: whether to keep the prompt's captured states.
        states: [S, K*H], the prompt's outputs of the layers that the scheduler captures; None if not wanted.
        cancelled: any thread may set it; the answer then ends at the next step.
    """

    prompt: Prompt
    max_new_tokens: int
    stop_ids: frozenset[int] = frozenset()
    find_stop: Callable[[list[int]], str | None] | None = None
    on_tokens: Callable[[DecodeRequest], None] | None = None
    ids: list[int] = field(default_factory=list)
    finish: Finish | None = None
    cached_tokens: int = 0
    drafts: DraftCounts | None = None
    wants_states: bool = False
    states: Tensor | None = None
    cancelled: bool = False

    def take(self, tokens: list[int]) -> int:
        """Appends tokens until one of them ends the answer; returns how many were taken."""
        for count, token in enumerate(tokens, start=1):
            self.ids.append(token)
            self.finish = self._finish_after(token)
            if self.finish is not None:
                return count
        return len(tokens)

    def report(self) -> None:
        """Calls ``on_tokens``."""
        if self.on_tokens is not None:
            self.on_tokens(self)

    def _finish_after(self, token: int) -> Finish | None:
        if token in self.stop_ids:
            return Finish("stop", token)
        if self.find_stop is not None:
            matched = self.find_stop(self.ids)
            if matched is not None:
                return Finish("stop", matched)
        return Finish("length") if len(self.ids) >= self.max_new_tokens else None
