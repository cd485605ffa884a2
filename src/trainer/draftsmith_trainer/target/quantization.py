"""Reads a config's quantization settings: block-scaled FP8 is supported, everything else is rejected by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.errors import UserError

_HINT = "use the bf16 snapshot, or a block-scaled FP8 one (quant_method fp8, fmt e4m3, weight_block_size [128, 128])"


@dataclass(frozen=True)
class BlockScales:
    """FP8 (e4m3) weights with one scale for each block of ``rows`` x ``columns`` weights."""

    rows: int
    columns: int


def read_quantization(config: dict[str, Any], path: Path) -> BlockScales | None:
    """The block scales that a parsed config.json declares; None for unquantized weights.

    Args:
        path: the file, for messages.

    Raises:
        UserError: ``target-quantization`` for another method (AWQ, GPTQ, bitsandbytes ...) or form of FP8.
    """
    field, found = "quantization_config", config.get("quantization_config")
    if found is None:
        field = "text_config.quantization_config"
        text = config.get("text_config")
        found = text.get("quantization_config") if isinstance(text, dict) else None
    if found is None:
        return None
    if not isinstance(found, dict):
        raise UserError("target-quantization", f"{path}: {field} is not an object", _HINT)
    _expect(found, path, field, "quant_method", ("fp8",))
    _expect(found, path, field, "fmt", ("e4m3", None))
    # Static activation scales mean per-tensor FP8, whose served states do not follow from the weights alone.
    _expect(found, path, field, "activation_scheme", ("dynamic", None))
    block = found.get("weight_block_size")
    if not (isinstance(block, list) and len(block) == 2 and all(isinstance(n, int) and n > 0 for n in block)):
        raise UserError("target-quantization", f"{path}: {field}.weight_block_size is {block!r}, not two sizes", _HINT)
    return BlockScales(*block)


def _expect(found: dict[str, Any], path: Path, field: str, key: str, allowed: tuple[str | None, ...]) -> None:
    value = found.get(key)
    if value in allowed:
        return
    # Old bitsandbytes snapshots name no quant_method, only load_in_4bit or load_in_8bit.
    told = ", ".join(name for name in ("load_in_4bit", "load_in_8bit") if found.get(name)) if value is None else ""
    what = f"{field}.{key} is {value!r}" + (f" ({told})" if told else "")
    raise UserError("target-quantization", f"{path}: {what}; only {allowed[0]!r} can be read", _HINT)
