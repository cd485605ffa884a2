"""Plain DFlash: every place of a block is read off the target's frozen lm_head on its own."""

from .plain import Plain
from .settings import PlainConfig

__all__ = ["Plain", "PlainConfig"]
