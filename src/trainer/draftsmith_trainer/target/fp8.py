"""Loads block-scaled FP8 snapshots: each weight is dequantised block by block to ``weight * weight_scale_inv``.

This is the reference: bf16 (or fp32) weights, and matmuls as for any other target. An engine that serves the snapshot
multiplies in FP8 and quantises activations too, so its hidden states differ by that rounding.

transformers can dequantise such snapshots itself, but not weights whose sides are not multiples of the block: it infers
the block from the number of scales, which is silently wrong when that number happens to divide the side.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..base.errors import UserError
from .quantization import BlockScales
from .weights import weight_files

_LAYER = re.compile(r"\blanguage_model\.layers\.(\d+)\.")
_EXPERT = re.compile(r"^(?P<experts>.*\.mlp\.experts)\.(?P<number>\d+)\.(?P<part>gate|up|down)_proj\.weight$")


class Lazy(Protocol):
    """A tensor that is read when indexed; transformers indexes each entry of a state dict once."""

    def __getitem__(self, index: Any) -> Tensor: ...


def fp8_state_dict(directory: Path, block: BlockScales, layers: int | None, dtype: torch.dtype) -> dict[str, Lazy]:
    """The snapshot's weights by name, dequantised to ``dtype`` one at a time, when read.

    Experts stored under separate keys are fused as transformers does: ``gate_up_proj`` [E, 2I, H] and ``down_proj``
    [E, H, I].

    Args:
        block: rows and columns that share a scale; blocks at the edges may be smaller.
        layers: number of decoder layers to keep; None keeps all.

    Raises:
        UserError: ``target-weights`` for missing files, an FP8 weight without a scale, or scales of the wrong shape.
    """
    entries = _entries(directory)
    found: dict[str, Lazy] = {}
    for name, entry in entries.items():
        layer = _LAYER.search(name)
        beyond = layer is not None and layers is not None and int(layer[1]) >= layers
        if not beyond and not name.endswith("_scale_inv"):
            found[name] = _weight(directory, name, entry, _scale_of(entries, name), block, dtype)
    return _fuse_experts(directory, found)


def dequantise(weight: Tensor, scales: Tensor, block: BlockScales, dtype: torch.dtype) -> Tensor:
    """``weight`` times its block's scale, computed in fp32 and rounded once.

    Args:
        weight: float8_e4m3fn [..., R, C].
        scales: [..., ceil(R / rows), ceil(C / columns)].
    """
    if weight.dim() > 2:
        # One expert at a time: fp32 copies of all would take four times the memory of the weights.
        parts = zip(weight, scales, strict=True)
        return torch.stack([dequantise(one, scale, block, dtype) for one, scale in parts])
    rows, columns = weight.shape
    spread = scales.float().repeat_interleave(block.rows, 0)[:rows].repeat_interleave(block.columns, 1)[:, :columns]
    return weight.float().mul_(spread).to(dtype)


class _Scaled:
    def __init__(self, weight: Any, scales: Any, block: BlockScales, dtype: torch.dtype) -> None:
        self._weight, self._scales, self._block, self._dtype = weight, scales, block, dtype

    def __getitem__(self, index: Any) -> Tensor:
        return dequantise(self._weight[...], self._scales[...], self._block, self._dtype)[index]


class _Experts:
    """Weights of all experts; the parts of one expert are concatenated along its rows."""

    def __init__(self, experts: list[list[Lazy]]) -> None:
        self._experts = experts

    def __getitem__(self, index: Any) -> Tensor:
        return torch.stack([torch.cat([part[...] for part in parts]) for parts in self._experts])[index]


def _weight(directory: Path, name: str, entry: Any, scales: Any, block: BlockScales, dtype: torch.dtype) -> Lazy:
    quantised = entry.get_dtype() == "F8_E4M3"
    if not quantised and scales is None:
        lazy: Lazy = entry
        return lazy
    if not quantised or scales is None:
        what = "is FP8 but has no scales" if quantised else f"has scales but is {entry.get_dtype()}, not FP8"
        raise UserError("target-weights", f"{directory}: {name} {what}", "is the snapshot complete?")
    shape, grid = entry.get_shape(), scales.get_shape()
    wanted = [*shape[:-2], -(-shape[-2] // block.rows), -(-shape[-1] // block.columns)]
    if grid != wanted:
        raise UserError(
            "target-weights",
            f"{directory}: {name} is {shape} and has scales {grid}; blocks of {block.rows} x {block.columns} need"
            f" {wanted}",
            "quantization_config.weight_block_size in config.json must match the weights",
        )
    return _Scaled(entry, scales, block, dtype)


def _scale_of(entries: dict[str, Any], name: str) -> Any:
    """``X.weight_scale_inv`` for ``X.weight``; ``X_scale_inv`` or ``X.weight_scale_inv`` for fused experts ``X``."""
    return entries.get(f"{name}_scale_inv", entries.get(f"{name}.weight_scale_inv"))


def _fuse_experts(directory: Path, found: dict[str, Lazy]) -> dict[str, Lazy]:
    plain: dict[str, Lazy] = {}
    groups: dict[str, dict[int, dict[str, Lazy]]] = {}
    for name, lazy in found.items():
        expert = _EXPERT.match(name)
        if expert is None:
            plain[name] = lazy
        else:
            groups.setdefault(expert["experts"], {}).setdefault(int(expert["number"]), {})[expert["part"]] = lazy
    for experts, parts in groups.items():
        whole = [parts.get(number, {}) for number in range(max(parts) + 1)]
        for fused, names in (("gate_up_proj", ("gate", "up")), ("down_proj", ("down",))):
            for number, part in enumerate(whole):
                missing = [name for name in names if name not in part]
                if missing:
                    key = f"{experts}.{number}.{missing[0]}_proj.weight"
                    raise UserError("target-weights", f"{directory}: weights are missing, first {key}")
            plain[f"{experts}.{fused}"] = _Experts([[part[name] for name in names] for part in whole])
    return plain


def _entries(directory: Path) -> dict[str, Any]:
    """Every tensor of the snapshot's safetensors files, unread."""
    entries: dict[str, Any] = {}
    for path in weight_files(directory):
        try:
            opened: Any = safe_open(path, framework="pt")
            for key in opened.keys():  # noqa: SIM118 - it is not a dict
                entries[key] = opened.get_slice(key)
        except (OSError, SafetensorError) as error:
            raise UserError("target-weights", f"{path} cannot be read: {error}") from error
    return entries
