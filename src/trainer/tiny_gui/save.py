"""Weights to disk: one bf16 safetensors file, its names as the hub's Qwen3-VL checkpoints have them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file


def save_weights(model: torch.nn.Module, directory: Path) -> None:
    """Write model.safetensors. The tied lm_head is left out; the configs beside it stay those of `build`."""
    state = {
        name: tensor.detach().to("cpu", torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"
    }
    partial = directory / "model.safetensors.partial"
    save_file(state, str(partial), metadata={"format": "pt"})
    partial.chmod(0o644)
    partial.replace(directory / "model.safetensors")  # whoever reads meanwhile finds the old file or the new one
