"""From ids to text: whole answers, answers as they grow, and stop strings."""

from __future__ import annotations

from typing import Any

from .sampling import Ending

#: What a tokenizer writes for bytes that are no character (yet).
BROKEN = "\ufffd"


class TextOf:
    """Decodes answers of one request."""

    def __init__(self, tokenizer: Any, ending: Ending) -> None:
        self._tokenizer = tokenizer
        self._ending = ending
        # A stop string can begin before the newest token; this many characters back is far enough.
        self._reach = max((len(s) for s in ending.stop_strings), default=0)

    def whole(self, ids: list[int], matched: int | str | None) -> str:
        """Text of a finished answer; the stop token or string is cut off unless the request keeps it."""
        if isinstance(matched, int) and not self._ending.keep_stop and ids and ids[-1] == matched:
            ids = ids[:-1]
        text = self._decode(ids)
        if isinstance(matched, str):
            at = text.find(matched)
            if at >= 0:
                text = text[: at + (len(matched) if self._ending.keep_stop else 0)]
        return text

    def growing(self, ids: list[int]) -> str:
        """Text so far that can be sent: without an unfinished character and without what may become a stop string."""
        text = self._decode(ids)
        if text.endswith(BROKEN):
            text = text.rstrip(BROKEN)
        if self._reach:
            for size in range(min(self._reach - 1, len(text)), 0, -1):
                if any(stop.startswith(text[-size:]) for stop in self._ending.stop_strings):
                    return text[:-size]
        return text

    def find_stop(self, ids: list[int]) -> str | None:
        """The stop string that the newest token completes."""
        # Each character comes from at least one token, except in the middle of a many-character token.
        tail = self._decode(ids[-(self._reach + 8) :])
        for stop in self._ending.stop_strings:
            if stop in tail:
                return stop
        return None

    def _decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=self._ending.skip_special)
        return text
