"""The target and rows that the committed draft was trained and walked on; every number comes from numpy's PCG64.

torch's own generator may change between releases, and the walk would then change with it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sample import write_shards
from target_maker import IMAGE, VISION_END, make_model, write_target

KIND = "qwen3_vl"


def write_walk_target(directory: Path) -> Path:
    """A tiny qwen3_vl target with fixed weights."""
    import torch

    write_target(directory, KIND)
    model = make_model(KIND)
    generator = np.random.Generator(np.random.PCG64(20261128))
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.dim() > 1:
                fresh = generator.normal(0.0, 0.25, parameter.shape).astype(np.float32)
                parameter.copy_(torch.from_numpy(fresh))
            elif not name.endswith("bias"):
                parameter.fill_(1.0)
            else:
                parameter.zero_()
        model.lm_head.weight[IMAGE : VISION_END + 1] = 0
    model.save_pretrained(directory)
    return directory


def write_walk_shards(directory: Path) -> Path:
    """16 training rows and 6 held-out ones, two turns each, with pictures."""
    return write_shards(directory, train=16, heldout=6, turns=2)
