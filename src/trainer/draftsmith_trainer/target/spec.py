"""Reads what a target's files declare, without loading weights or importing torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import UserError
from ..base.fields import Fields
from .quantization import BlockScales, read_quantization

MODEL_TYPES = ("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe")

#: Mask ids of published drafts, by vocabulary size: Qwen3 and Qwen3.5/3.6.
_KNOWN_MASK_IDS = {151_936: 151_669, 248_320: 248_070}
MASK_TOKEN = "<|MASK|>"


@dataclass(frozen=True)
class TargetSpec:
    """The parts of a target's config.json that a draft depends on. ``fp8``: its weights' block scales, or None."""

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
        UserError: ``target-missing``, ``target-config``; ``target-quantization`` for unsupported quantization.
    """
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError("target-missing", f"no model in {directory}: config.json is missing") from None
    except ValueError as error:
        raise UserError("target-config", f"{path} is not JSON: {error}") from error
    top = Fields(config, str(path), "target-config")
    kind = top.text("model_type", None)
    if kind not in MODEL_TYPES:
        known = ", ".join(MODEL_TYPES)
        raise UserError("target-config", f"{path}: model_type {kind!r} is not supported", f"supported: {known}")
    return _from_config(directory, kind, top, read_quantization(config, path))


def mask_token_id(spec: TargetSpec) -> int:
    """The mask id for a new draft of this target.

    The first that exists of: the tokenizer's own "<|MASK|>" (engines require it), the id that published drafts of this
    vocabulary use, the first embedding row that no token uses. None of them occurs in real text.

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
            "set draft.maskTokenId to an id that never occurs in real text",
        )
    return free


def tokenizer_ids(directory: Path) -> dict[str, int]:
    """Token string -> id, from tokenizer.json; empty if there is no such file."""
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


def _from_config(directory: Path, kind: str, top: Fields, fp8: BlockScales | None) -> TargetSpec:
    text = top.section("text_config")
    # Hub checkpoints have rope_theta and rope_scaling; transformers >= 5 writes rope_parameters.
    rope = text.section("rope_parameters" if text.has("rope_parameters") else "rope_scaling", {})
    heads, hidden = text.whole("num_attention_heads", least=1), text.whole("hidden_size", least=1)
    factor = text.real("partial_rotary_factor", 0.25 if kind.startswith("qwen3_5") else 1.0)
    return TargetSpec(
        directory=directory,
        model_type=kind,
        num_layers=text.whole("num_hidden_layers", least=1),
        hidden_size=hidden,
        heads=heads,
        kv_heads=text.whole("num_key_value_heads", heads, least=1),
        head_dim=text.whole("head_dim", hidden // heads, least=1),
        vocab_size=text.whole("vocab_size", least=1),
        rope_theta=rope.real("rope_theta", text.real("rope_theta", 10_000_000.0)),
        partial_rotary_factor=rope.real("partial_rotary_factor", factor),
        mrope_section=rope.wholes("mrope_section", ()) or None,
        max_position_embeddings=text.whole("max_position_embeddings", 262_144),
        rms_norm_eps=text.real("rms_norm_eps", 1e-6),
        image_token_id=top.whole("image_token_id"),
        video_token_id=top.whole("video_token_id"),
        spatial_merge_size=top.section("vision_config").whole("spatial_merge_size", 2, least=1),
        bos_token_id=text.whole("bos_token_id", top.whole("bos_token_id", None)),
        eos_token_id=_first_eos(text, top),
        fp8=fp8,
        dtype=text.text("dtype", top.text("dtype", top.text("torch_dtype", "float32"))),
    )


def _first_eos(*places: Fields) -> int | None:
    """The first end-of-sequence id; configs hold a number or a list."""
    for place in places:
        if place.has("eos_token_id"):
            return place.either("eos_token_id")[0]
    return None
