"""Export: from a checkpoint to a directory that SGLang and vLLM load, checked against what they accept in silence."""

from .run import run

__all__ = ["run"]
