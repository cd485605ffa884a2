"""Reads the JSON file in ``draft.config``: a draft's config.json before there is a draft. Needs no torch.

The file may be what ``draftsmith draft-config`` writes, the config.json of an existing draft, or one in the form that
SpecForge's DFlash configs have (``model_type`` qwen3_vl_text, no mask id).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.errors import UserError
from ..base.fields import Fields
from ..draft.config import AlgorithmConfig, DraftConfig
from ..draft.fit import fit_problem
from ..draft.layer_rule import target_layer_ids
from ..target.spec import TargetSpec, mask_token_id

#: Keys with the only values that are supported.
_FIXED: dict[str, tuple[Any, ...]] = {
    "attention_dropout": (0,),
    "hidden_act": ("silu",),
    "is_causal": (False,),
    "model_type": ("qwen3", "qwen3_vl_text"),
    "tie_word_embeddings": (False,),
    "rope_parameters.rope_type": ("default",),
    "rope_parameters.mrope_interleaved": (True,),
    "rope_scaling.rope_type": ("default",),
    "rope_scaling.mrope_interleaved": (True,),
}
#: Keys that are read, and those that say nothing about a draft's shape or training.
_READ = frozenset(
    (
        *("architectures", "attention_bias", "auto_map", "block_size", "bos_token_id", "dflash_config", "dtype"),
        *("eos_token_id", "head_dim", "hidden_size", "intermediate_size", "layer_types", "max_position_embeddings"),
        *("max_window_layers", "num_attention_heads", "num_hidden_layers", "num_key_value_heads", "num_target_layers"),
        *("partial_rotary_factor", "rms_norm_eps", "rope_parameters", "rope_scaling", "rope_theta", "sliding_window"),
        *("torch_dtype", "transformers_version", "use_cache", "use_sliding_window", "vocab_size"),
    )
)
_READ_IN_DFLASH = frozenset(("block_size", "mask_token_id", "target_layer_ids"))


@dataclass(frozen=True)
class DraftFile:
    """The content of a config file.

    Attributes:
        config: the draft's shape, which fits the target.
        unread: keys that have no effect here, for a warning.
    """

    config: DraftConfig
    unread: tuple[str, ...]


def read_draft_file(
    path: Path, spec: TargetSpec, settings_in: Callable[[dict[str, Any]], AlgorithmConfig]
) -> DraftFile:
    """Reads a config for a draft of ``spec``. A missing mask id and missing captured layers follow from the target.

    Args:
        settings_in: reads the algorithm's part of a config.json.

    Raises:
        UserError: ``bad-option`` naming the file and its key: not readable, a value that is not supported, or a shape
            that does not fit the target.
    """
    document = _parsed(path)
    for key, allowed in _FIXED.items():
        value = _at(document, key)
        if value is not None and value not in allowed:
            supported = " or ".join(repr(one) for one in allowed)
            raise _wrong(path, f"{key} is {value!r}, but only {supported} is supported")
    flash = dict(document.get("dflash_config") or {})
    flash.setdefault("target_layer_ids", list(target_layer_ids(spec.model_type, spec.num_layers)))
    if flash.get("mask_token_id") is None:
        flash["mask_token_id"] = mask_token_id(spec)
    document = {"num_target_layers": spec.num_layers, **document, "dflash_config": flash}
    try:
        algorithm = settings_in(document)
        # Of the stored weights; what a training computes in is an option of its own.
        config = DraftConfig.from_keys(document, algorithm).with_dtype("float32")
    except UserError as error:
        raise _wrong(path, error.message) from error
    problem = fit_problem(config, spec)
    if problem is not None:
        raise _wrong(path, problem, "choose the config of this target: draftsmith draft-config writes one")
    own: dict[str, Any] = {"dflash_config": {}}
    algorithm.write_keys(own)
    known = {*_READ, *own, *(key.partition(".")[0] for key in _FIXED)}
    inner = {*_READ_IN_DFLASH, *own["dflash_config"]}
    unread = [key for key in document if key not in known]
    unread += [f"dflash_config.{key}" for key in flash if key not in inner]
    return DraftFile(config, tuple(unread))


def _parsed(path: Path) -> dict[str, Any]:
    try:
        parsed = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise _wrong(path, f"it cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _wrong(path, f"it is not JSON: {error}") from error
    try:
        Fields(parsed, "it", "draft-config").section("dflash_config", {})
    except UserError as error:
        raise _wrong(path, error.message) from error
    document: dict[str, Any] = parsed
    return document


def _at(document: dict[str, Any], key: str) -> Any:
    value: Any = document
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _wrong(path: Path, says: str, hint: str | None = None) -> UserError:
    return UserError("bad-option", f"draft.config {path}: {says}", hint, field="draft.config")
