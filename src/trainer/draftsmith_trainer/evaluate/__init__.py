"""Measuring drafts: the exact offline walk, and the real draft-and-verify loop that it must agree with."""

from .run import run

__all__ = ["run"]
