"""Trackers that a run reports its metrics to: each behind one interface, imported only when it is named."""

from __future__ import annotations

from .contract import Reporter, Reporting
from .opening import check_reporters, open_reporters

__all__ = ["Reporter", "Reporting", "check_reporters", "open_reporters"]
