"""From rows to what a pass needs: packs for the target, batches for the draft, states in between."""

from .states import StateSource
from .work import PackWork, Part, Preparer

__all__ = ["PackWork", "Part", "Preparer", "StateSource"]
