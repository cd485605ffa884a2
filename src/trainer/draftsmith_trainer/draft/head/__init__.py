"""Heads: what turns a block's hidden states into tokens. One module per kind; ``plain`` is the only one so far."""

from __future__ import annotations

from ...base.errors import UserError
from .plain import PlainHead

HEADS: dict[str, type[PlainHead]] = {"plain": PlainHead}


def make_head(kind: str) -> PlainHead:
    """A new head of the given kind.

    Raises:
        UserError: ``unknown-head``.
    """
    if kind not in HEADS:
        raise UserError("unknown-head", f"no draft head named {kind!r}", f"known heads: {', '.join(HEADS)}")
    return HEADS[kind]()
