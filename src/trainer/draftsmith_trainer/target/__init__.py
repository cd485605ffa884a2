"""The frozen target: what its config says, its first layers, and the states that a draft reads."""

from .capture import CapturedRow, capture_row
from .load import Target, load_target
from .spec import TargetSpec, read_spec

__all__ = ["CapturedRow", "Target", "TargetSpec", "capture_row", "load_target", "read_spec"]
