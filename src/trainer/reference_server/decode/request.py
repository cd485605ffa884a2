"""One answer in the making: what was asked, the tokens so far, and why it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

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
    """What speculative decoding did for one answer.

    Attributes:
        proposed: drafted tokens, block_size - 1 per step.
        matched: per step, drafted tokens that the target agreed with, also those behind the end of the answer.
        accepted: the same without what lies behind the end; 1 + sum(accepted) + steps, less one if the last step's
            own token was cut off, is the number of ids.
    """

    proposed: int = 0
    matched: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)


@dataclass(eq=False)
class DecodeRequest:
    """A request to continue a prompt.

    Attributes:
        prompt: what to continue.
        max_new_tokens: 0 or more; 0 only runs the prompt.
        stop_ids: the first of these ends the answer and is its last token.
        find_stop: called after each token with all ids; returns the stop string that they complete, or None.
        on_tokens: called after each step with the request, from the decoding thread; the last call has ``finish`` set.
        ids: tokens so far.
        cached_tokens: prompt tokens that were not computed again.
        drafts: counts, when a draft is used.
        cancelled: set it from any thread to end the answer at the next step.
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
        """Tells the listener."""
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
