"""Decides whether a target reads rows packed, given the device and the installed packages."""

from __future__ import annotations

from ..base.errors import UserError
from ..target import Target
from ..target.packed import PackedTarget
from ..target.recurrent import INSTALL, fla_missing, has_recurrence
from ..target.tower import packs_pictures


def pack_target(target: Target, slow_recurrence: bool = False) -> PackedTarget | None:
    """A reader of packs for ``target``; None if it must read rows one by one.

    On a CPU rows are read one by one: packing saves kernel launches, which a CPU does not have, and the cached states
    of a row read alone are bit-identical to recomputed ones.

    Raises:
        UserError: ``recurrence-missing`` on a GPU without the kernels for recurrent-state layers, unless
            ``slow_recurrence`` allows transformers' own form (about 6 times slower, row by row).
    """
    if target.device.type == "cpu":
        return None
    if has_recurrence(target.model) and fla_missing():
        if slow_recurrence:
            return None
        raise UserError(
            "recurrence-missing",
            f"{target.spec.model_type} has recurrent-state layers, and this Python has no kernels for them",
            f"{INSTALL}; or set slowRecurrence: true to go on with PyTorch's form, about 6 times slower",
        )
    return PackedTarget(target) if packs_pictures(target.model.model.visual) else None
