"""One record per walked response: what it took, and what it is grouped by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from ..measure.measurer import ResponseWalk


@dataclass(frozen=True)
class Record:
    """A walked response of at least two tokens.

    Attributes:
        tokens: of the response. context: tokens before it, pads expanded. media: what is shown in the context.
        steps, correct: verification steps, and drafted tokens accepted in them.
    """

    dialogue: str
    tags: tuple[tuple[str, str], ...]
    turn: int
    tokens: int
    context: int
    media: str
    steps: int
    correct: int

    @property
    def mean(self) -> float:
        """The response's own accept length."""
        return 1 + self.correct / self.steps


def record_of(one: ResponseWalk) -> Record:
    """The record of a walk with at least one step."""
    row = one.row
    shown = row.token_types[: one.start]
    media = "video" if (shown == 2).any() else "image" if (shown == 1).any() else "text"
    turn = row.turns[one.response] if one.response < len(row.turns) else one.response
    tags = tuple(sorted((str(key), str(value)) for key, value in json.loads(row.tags).items()))
    size = one.end - one.start
    return Record(row.dialogue_id, tags, turn, size, one.start, media, len(one.accepted), sum(one.accepted))


def length_class(tokens: int) -> str:
    """The power-of-two class of a length: ``64-127``."""
    low = 1 << (max(1, tokens).bit_length() - 1)
    return f"{low}-{2 * low - 1}"


def groupings(record: Record) -> Iterator[tuple[str, str]]:
    """(dimension, group) of every group that the record belongs to."""
    for key, value in record.tags:
        yield f"tag {key}", value
    yield "turn", str(record.turn)
    yield "response length", length_class(record.tokens)
    yield "context length", length_class(record.context)
    yield "media", record.media
