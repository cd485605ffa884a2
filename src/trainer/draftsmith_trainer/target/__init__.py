"""The frozen target: its config, its first layers, and the hidden states that a draft reads.

Names are imported lazily: :mod:`.spec` needs no torch, and a plan must not load it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .capture import CapturedRow, capture_row
    from .load import Target, load_target
    from .spec import TargetSpec, read_spec

__all__ = ["CapturedRow", "Target", "TargetSpec", "capture_row", "load_target", "read_spec"]

_HOMES = {
    "CapturedRow": "capture",
    "Target": "load",
    "TargetSpec": "spec",
    "capture_row": "capture",
    "load_target": "load",
    "read_spec": "spec",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
