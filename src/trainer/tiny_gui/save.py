"""Writes weights as one bf16 safetensors file, with the tensor names of published Qwen3-VL checkpoints."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file


def save_weights(model: torch.nn.Module, directory: Path) -> None:
    """Writes model.safetensors without the tied lm_head; the config files are written by `build`."""
    state = {
        name: tensor.detach().to("cpu", torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"
    }
    partial = directory / "model.safetensors.partial"
    save_file(state, str(partial), metadata={"format": "pt"})
    partial.chmod(0o644)
    partial.replace(directory / "model.safetensors")  # atomic: a reader finds the old file or the new one
