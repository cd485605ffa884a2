"""Training: from shards and a frozen target to draft checkpoints."""

from .run import run

__all__ = ["run"]
