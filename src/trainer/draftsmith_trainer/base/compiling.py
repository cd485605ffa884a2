"""Whether compiling the layers of a model is worth its time."""

from __future__ import annotations

#: Compiling takes 40 to 60 s whatever the width (H200, torch 2.11). Narrower layers are bound by launches and train in
#: less than that: 540 steps of tiny-gui (hidden size 256) take 20 s uncompiled.
COMPILED_WIDTH = 1024


def worth_compiling(device: str, width: int) -> bool:
    """Whether to compile layers of hidden size ``width`` on a device of this type."""
    return device == "cuda" and width >= COMPILED_WIDTH
