"""What a target's files say about it, read without loading any weights or importing torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.errors import UserError
from .quantization import BlockScales, read_quantization

MODEL_TYPES = ("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe")

#: Mask ids of published drafts, by vocabulary size: Qwen3 and Qwen3.5/3.6.
_KNOWN_MASK_IDS = {151_936: 151_669, 248_320: 248_070}
MASK_TOKEN = "<|MASK|>"


@dataclass(frozen=True)
class TargetSpec:
    """The parts of a target's config.json that a draft depends on. ``fp8``: how its weights are scaled, if they are."""

    directory: Path
    model_type: str
    num_layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    rope_theta: float
    partial_rotary_factor: float
    mrope_section: tuple[int, ...] | None
    max_position_embeddings: int
    rms_norm_eps: float
    image_token_id: int
    video_token_id: int
    spatial_merge_size: int
    bos_token_id: int | None
    eos_token_id: int | None
    dtype: str
    fp8: BlockScales | None = None


def read_spec(directory: Path) -> TargetSpec:
    """Reads ``directory/config.json`` of a Qwen vision-language target.

    Raises:
        UserError: ``target-missing``, ``target-config``; ``target-quantization`` for weights that cannot be read.
    """
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError("target-missing", f"no model in {directory}: config.json is not there") from None
    except ValueError as error:
        raise UserError("target-config", f"{path} is not JSON: {error}") from error
    kind = config.get("model_type")
    if kind not in MODEL_TYPES:
        known = ", ".join(MODEL_TYPES)
        raise UserError("target-config", f"{path}: model_type {kind!r} is not supported", f"supported: {known}")
    try:
        return _from_config(directory, kind, config, config["text_config"])
    except KeyError as missing:
        raise UserError("target-config", f"{path} lacks {missing}") from missing


def mask_token_id(spec: TargetSpec) -> int:
    """The mask id for a new draft of this target.

    In this order: the tokenizer's own "<|MASK|>" (engines insist on it), the id published drafts of that vocabulary
    use, the first row of the embedding that no token uses. All are ids that real text never holds.

    Raises:
        UserError: ``mask-token`` when every row of the embedding belongs to a token.
    """
    known = tokenizer_ids(spec.directory)
    if MASK_TOKEN in known:
        return known[MASK_TOKEN]
    if spec.vocab_size in _KNOWN_MASK_IDS:
        return _KNOWN_MASK_IDS[spec.vocab_size]
    free = max(known.values(), default=-1) + 1
    if not known or free >= spec.vocab_size:
        raise UserError(
            "mask-token",
            f"{spec.directory}: no unused token id for the mask",
            "name one that real text never holds in draft.maskTokenId",
        )
    return free


def tokenizer_ids(directory: Path) -> dict[str, int]:
    """Token string -> id, from tokenizer.json; empty without that file."""
    path = directory / "tokenizer.json"
    if not path.exists():
        return {}
    try:
        parsed = json.loads(path.read_text("utf-8"))
        ids: dict[str, int] = dict(parsed["model"]["vocab"])
        ids.update({token["content"]: token["id"] for token in parsed.get("added_tokens", [])})
    except (ValueError, KeyError, TypeError) as error:
        raise UserError("target-config", f"{path} cannot be read: {error}") from error
    return ids


def _from_config(directory: Path, kind: str, config: dict[str, Any], text: dict[str, Any]) -> TargetSpec:
    # Hub checkpoints carry rope_theta + rope_scaling; transformers >= 5 writes rope_parameters.
    rope = text.get("rope_parameters") or text.get("rope_scaling") or {}
    heads, hidden = int(text["num_attention_heads"]), int(text["hidden_size"])
    default_factor = 0.25 if kind.startswith("qwen3_5") else 1.0
    section = rope.get("mrope_section")
    eos = text.get("eos_token_id", config.get("eos_token_id"))
    return TargetSpec(
        directory=directory,
        model_type=kind,
        num_layers=int(text["num_hidden_layers"]),
        hidden_size=hidden,
        heads=heads,
        kv_heads=int(text.get("num_key_value_heads", heads)),
        head_dim=int(text.get("head_dim") or hidden // heads),
        vocab_size=int(text["vocab_size"]),
        rope_theta=float(rope.get("rope_theta", text.get("rope_theta", 10_000_000.0))),
        partial_rotary_factor=float(
            rope.get("partial_rotary_factor", text.get("partial_rotary_factor", default_factor))
        ),
        mrope_section=tuple(section) if section else None,
        max_position_embeddings=int(text.get("max_position_embeddings", 262_144)),
        rms_norm_eps=float(text.get("rms_norm_eps", 1e-6)),
        image_token_id=int(config["image_token_id"]),
        video_token_id=int(config["video_token_id"]),
        spatial_merge_size=int(config["vision_config"].get("spatial_merge_size", 2)),
        bos_token_id=text.get("bos_token_id", config.get("bos_token_id")),
        eos_token_id=eos[0] if isinstance(eos, list) else eos,
        fp8=read_quantization(config, directory / "config.json"),
        dtype=str(text.get("dtype") or config.get("dtype") or config.get("torch_dtype") or "float32"),
    )
