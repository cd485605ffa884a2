"""Block-scaled FP8 weights as published snapshots hold them, and the same weights dequantised number by number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

#: Parts of the names of weights that stay as they are.
KEPT = ("lm_head", "visual", "mlp.gate.", "norm", "embed_tokens", "in_proj_a", "in_proj_b", "shared_expert_gate")

Tensors = dict[str, Tensor]


def quantise(weight: Tensor, block: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Weights and scales of a matrix: each block's largest number becomes 448."""
    rows, columns = weight.shape
    scales = torch.empty(-(-rows // block[0]), -(-columns // block[1]))
    out = torch.empty_like(weight, dtype=torch.float8_e4m3fn)
    for i in range(scales.shape[0]):
        for j in range(scales.shape[1]):
            part = (slice(i * block[0], (i + 1) * block[0]), slice(j * block[1], (j + 1) * block[1]))
            scales[i, j] = weight[part].abs().max() / 448
            out[part] = (weight[part] / scales[i, j]).to(torch.float8_e4m3fn)
    return out, scales


def formula(weight: Tensor, scales: Tensor, block: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Every number by itself."""
    spread = torch.tensor(
        [[scales[i // block[0], j // block[1]] for j in range(weight.shape[1])] for i in range(weight.shape[0])]
    )
    return (weight.float() * spread).to(dtype)


def quantised(tensors: Tensors, block: Sequence[int], per_expert: bool, dtype: torch.dtype) -> tuple[Tensors, Tensors]:
    """A checkpoint's tensors in FP8, and the same dequantised under the names that they had.

    Args:
        per_expert: whether fused experts get keys of their own.
    """
    made: Tensors = {}
    plain: Tensors = {}
    for name, weight in tensors.items():
        if any(kept in name for kept in KEPT) or weight.dim() < 2 or "conv1d" in name:
            made[name] = plain[name] = weight
        elif weight.dim() == 3 and per_expert:
            found, plain[name] = _experts(name, weight, block, dtype)
            made |= found
        elif weight.dim() == 3:
            pairs = [quantise(one, block) for one in weight]
            plain[name] = torch.stack([formula(*pair, block, dtype) for pair in pairs])
            made[name] = torch.stack([pair[0] for pair in pairs])
            made[f"{name}_scale_inv"] = torch.stack([pair[1] for pair in pairs])
        else:
            made[name], made[f"{name}_scale_inv"] = quantise(weight, block)
            plain[name] = formula(made[name], made[f"{name}_scale_inv"], block, dtype)
    return made, plain


def quantization_config(block: Sequence[int], tensors: Tensors) -> dict[str, Any]:
    """``quantization_config`` of config.json."""
    return {
        "quant_method": "fp8",
        "fmt": "e4m3",
        "activation_scheme": "dynamic",
        "weight_block_size": list(block),
        "modules_to_not_convert": sorted({name.removesuffix(".weight") for name in tensors if KEPT[0] in name}),
    }


def write_sharded(directory: Path, tensors: Tensors, pattern: str = "model-{:05d}-of-{:05d}.safetensors") -> None:
    """Two weight files with an index."""
    names = sorted(tensors)
    weight_map: dict[str, str] = {}
    for number in (0, 1):
        file = pattern.format(number + 1, 2)
        part = {name: tensors[name].contiguous() for name in names[number::2]}
        save_file(part, directory / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    size = sum(one.numel() * one.element_size() for one in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(weight_map.items()))}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", "utf-8")


def _experts(name: str, weight: Tensor, block: Sequence[int], dtype: torch.dtype) -> tuple[Tensors, Tensor]:
    """The keys of single experts; their halves of gate and up are scaled apart."""
    found: Tensors = {}
    whole = []
    for number, one in enumerate(weight):
        key = f"{name.rpartition('.')[0]}.{number}"
        parts = {"down": one} if name.endswith("down_proj") else dict(zip(("gate", "up"), one.chunk(2), strict=True))
        made = []
        for part, matrix in parts.items():
            pair = quantise(matrix, block)
            found[f"{key}.{part}_proj.weight"], found[f"{key}.{part}_proj.weight_scale_inv"] = pair
            made.append(formula(*pair, block, dtype))
        whole.append(torch.cat(made))
    return found, torch.stack(whole)
