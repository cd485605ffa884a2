"""Whether compiling the layers of a model is worth its time."""

from __future__ import annotations

import torch
import torch.fx.experimental._config

#: Compiling takes 40 to 60 s whatever the width (H200, torch 2.11). Narrower layers are bound by launches and train in
#: less than that: 540 steps of tiny-gui (hidden size 256) take 20 s uncompiled.
COMPILED_WIDTH = 1024


def worth_compiling(device: str, width: int) -> bool:
    """Whether to compile layers of hidden size ``width`` on a device of this type."""
    return device == "cuda" and width >= COMPILED_WIDTH


def keep_sizes_apart() -> None:
    """Lets graphs for any length not assume that two lengths are equal because they were when first traced.

    A context as long as the blocks beside it would otherwise cost another graph as soon as they differ.
    """
    torch.fx.experimental._config.use_duck_shape = False
