"""Reads what a target's files declare, without loading weights or importing torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ..base.errors import UserError
from ..base.fields import Fields
from .quantization import BlockScales, read_quantization

T = TypeVar("T")
_REQUIRED: Any = object()

MODEL_TYPES = ("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe")

#: Mask ids of published drafts, by vocabulary size: Qwen3 and Qwen3.5/3.6.
_KNOWN_MASK_IDS = {151_936: 151_669, 248_320: 248_070}
MASK_TOKEN = "<|MASK|>"


@dataclass(frozen=True)
class TargetSpec:
    """What a target's JSON files say that a draft depends on.

    Attributes:
        bos_token_id, eos_token_id: of generation_config.json if there is one, else of config.json.
        tied: whether lm_head is the embedding.
        fp8: block scales of the weights, or None.
        notes: observations for the user that are not errors.
    """

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
    tied: bool = False
    fp8: BlockScales | None = None
    notes: tuple[str, ...] = ()


def read_spec(directory: Path) -> TargetSpec:
    """Reads the JSON files of a Qwen vision-language target.

    The toolkit reads the same in TypeScript (src/model); test/model/target-cases.json holds both to one judgement.

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
    spec = _from_config(directory, kind, top, read_quantization(config, path))
    _check_sections(spec, path)
    _check_vocabulary(spec, path)
    return _with_generation(spec)


def known_mask_id(spec: TargetSpec) -> int | None:
    """The mask id of published drafts for this vocabulary, if there are any."""
    return _KNOWN_MASK_IDS.get(spec.vocab_size)


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
    published = known_mask_id(spec)
    if published is not None:
        return published
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
    factor = _rope(text, "partial_rotary_factor", Fields.real, 0.25 if kind.startswith("qwen3_5") else 1.0)
    return TargetSpec(
        directory=directory,
        model_type=kind,
        num_layers=text.whole("num_hidden_layers", least=1),
        hidden_size=text.whole("hidden_size", least=1),
        heads=text.whole("num_attention_heads", least=1),
        # Defaults of these two differ between programs and families.
        kv_heads=text.whole("num_key_value_heads", least=1),
        head_dim=text.whole("head_dim", least=1),
        vocab_size=text.whole("vocab_size", least=1),
        rope_theta=_rope(text, "rope_theta", Fields.real),
        partial_rotary_factor=factor,
        mrope_section=_rope(text, "mrope_section", Fields.wholes, ()) or None,
        max_position_embeddings=text.whole("max_position_embeddings"),
        rms_norm_eps=text.real("rms_norm_eps", 1e-6),
        image_token_id=top.whole("image_token_id"),
        video_token_id=top.whole("video_token_id"),
        spatial_merge_size=top.section("vision_config").whole("spatial_merge_size", least=1),
        bos_token_id=text.whole("bos_token_id", top.whole("bos_token_id", None)),
        eos_token_id=_first_eos(text, top),
        # transformers reads the top-level key only.
        tied=top.flag("tie_word_embeddings", False),
        fp8=fp8,
        dtype=text.text("dtype", top.text("dtype", top.text("torch_dtype", "float32"))),
    )


def _rope(text: Fields, key: str, read: Callable[[Fields, str], T], default: Any = _REQUIRED) -> T:
    """A setting of the rotary embedding, which configs hold in up to three places.

    transformers 4.57 writes ``rope_scaling`` with the rest beside it, 5.x writes ``rope_parameters``. Programs differ
    in which place they read first, so the places must agree.
    """
    places = {f"{name}.": text.section(name, {}) for name in ("rope_parameters", "rope_scaling")}
    found = [(f"{name}{key}", read(place, key)) for name, place in {**places, "": text}.items() if place.has(key)]
    if not found:
        if default is _REQUIRED:
            raise text.error(f"lacks {text.name(key)}, also in rope_parameters and rope_scaling")
        made: T = default
        return made
    (first, value), *others = found
    for other, one in others:
        if one != value:
            here, there = text.name(first), text.name(other)
            shown = f"{here} is {json.dumps(value)}, but {there} is {json.dumps(one)}"
            raise text.error(f"{shown}: programs differ in which they read")
    return value


def _first_eos(*places: Fields) -> int | None:
    """The first end-of-sequence id; configs hold a number or a list."""
    for place in places:
        if place.has("eos_token_id"):
            return place.either("eos_token_id")[0]
    return None


def _check_sections(spec: TargetSpec, path: Path) -> None:
    half = spec.head_dim * spec.partial_rotary_factor / 2
    total = sum(spec.mrope_section or ())
    # transformers accepts a wrong sum without a warning.
    if spec.mrope_section is not None and total != half:
        message = f"{path}: mrope_section sums to {total}, but half of the rotated head is {half:g}"
        raise UserError("target-config", message)


def _check_vocabulary(spec: TargetSpec, path: Path) -> None:
    """More embedding rows than tokens are usual; tokens without a row cannot be read."""
    last = max(tokenizer_ids(spec.directory).values(), default=-1)
    if last >= spec.vocab_size:
        raise UserError(
            "target-config",
            f"{path}: text_config.vocab_size is {spec.vocab_size}, but the tokenizer has ids up to {last}",
            "tokens were added without resizing the embedding, or the files are from different snapshots",
        )


def _with_generation(spec: TargetSpec) -> TargetSpec:
    path = spec.directory / "generation_config.json"
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        note = f"{path} is missing: stop ids come from config.json and the tokenizer"
        return replace(spec, notes=(*spec.notes, note))
    except ValueError as error:
        raise UserError("target-config", f"{path} is not JSON: {error}") from error
    generation = Fields(found, str(path), "target-config")
    return replace(
        spec,
        bos_token_id=generation.either("bos_token_id", (spec.bos_token_id,))[0],
        eos_token_id=generation.either("eos_token_id", (spec.eos_token_id,))[0],
    )
