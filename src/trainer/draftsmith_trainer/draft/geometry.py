"""Builds the draft's config from options, a config file and the target: each wins over those after it.

The values of a new draft without options are also derived in TypeScript (src/model/new-draft-config.ts); a test
compares the two.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..base.errors import UserError
from ..draft.config import AlgorithmConfig, DraftConfig, ImpossibleConfigError, LayerType, Problem, RotaryMode
from ..draft.layer_rule import target_layer_ids
from ..draft.options import DraftOptions
from ..target.spec import TargetSpec, mask_token_id

#: What a new draft has unless options or a file say otherwise.
DRAFT_LAYERS, BLOCK_SIZE, CAPTURED_LAYERS = 5, 8, 5

#: Keys of config.json -> the options that set them, as users write them.
_OPTIONS = {
    "num_hidden_layers": "draft.layers",
    "num_attention_heads": "draft.heads",
    "num_key_value_heads": "draft.kvHeads",
    "head_dim": "draft.headDim",
    "intermediate_size": "draft.intermediateSize",
    "block_size": "draft.blockSize",
    "mask_token_id": "draft.maskTokenId",
    "target_layer_ids": "draft.targetLayerIds",
    "layer_types": "draft.slidingLayers",
    "sliding_window": "draft.slidingWindow",
    "mrope_section": "draft.rotary",
}


def draft_config(
    options: DraftOptions, spec: TargetSpec, algorithm: AlgorithmConfig, file: DraftConfig | None = None
) -> DraftConfig:
    """The config of a new draft of ``spec``.

    Args:
        file: the config in ``options.config``, which fits the target.

    Raises:
        UserError: ``bad-option`` for an invalid option, and the errors of the layer rule and the mask id.
    """
    try:
        return _from_file(options, spec, file) if file is not None else _config(options, spec, algorithm)
    except ImpossibleConfigError as error:
        option = _OPTIONS.get(error.problem.key)
        if option is None:
            raise
        raise UserError("bad-option", f"{option} {error.problem.says}", field=option) from error


def _config(options: DraftOptions, spec: TargetSpec, algorithm: AlgorithmConfig) -> DraftConfig:
    layers = options.layers or DRAFT_LAYERS
    rotary = options.rotary or "plain"
    return DraftConfig(
        hidden_size=spec.hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=options.heads or spec.heads,
        num_key_value_heads=options.kv_heads or spec.kv_heads,
        head_dim=options.head_dim or spec.head_dim,
        intermediate_size=options.intermediate_size or 3 * spec.hidden_size,
        vocab_size=spec.vocab_size,
        block_size=options.block_size or BLOCK_SIZE,
        mask_token_id=options.mask_token_id if options.mask_token_id is not None else mask_token_id(spec),
        target_layer_ids=_captured(options, spec),
        num_target_layers=spec.num_layers,
        algorithm=algorithm,
        rope_theta=spec.rope_theta,
        rms_norm_eps=spec.rms_norm_eps,
        max_position_embeddings=spec.max_position_embeddings,
        rotary=rotary,
        layer_types=_layer_types(options.sliding_layers or [], layers),
        sliding_window=options.sliding_window if options.sliding_layers else None,
        bos_token_id=spec.bos_token_id,
        eos_token_id=spec.eos_token_id,
        **_rotary(rotary, spec),
    )


def _from_file(options: DraftOptions, spec: TargetSpec, file: DraftConfig) -> DraftConfig:
    """The file's config with the options that are set."""
    changes: dict[str, Any] = {
        "num_hidden_layers": options.layers,
        "num_attention_heads": options.heads,
        "num_key_value_heads": options.kv_heads,
        "head_dim": options.head_dim,
        "intermediate_size": options.intermediate_size,
        "block_size": options.block_size,
        "mask_token_id": options.mask_token_id,
        "rotary": options.rotary,
        "sliding_window": options.sliding_window,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    if options.target_layer_ids is not None or options.target_layer_count is not None:
        changes["target_layer_ids"] = _captured(options, spec)
    if options.rotary is not None and options.rotary != file.rotary:
        changes |= _rotary(options.rotary, spec)
    layers = options.layers or file.num_hidden_layers
    if options.sliding_layers is not None:
        changes["layer_types"] = _layer_types(options.sliding_layers, layers)
        if not options.sliding_layers:
            changes["sliding_window"] = None
    elif layers != file.num_hidden_layers:
        if "sliding_attention" in file.layer_types:
            says = f"is needed: draft.layers is {layers}, and the file's sliding layers are those of another depth"
            raise ImpossibleConfigError(Problem("layer_types", says))
        changes["layer_types"] = _layer_types([], layers)
    return replace(file, **changes)


def _captured(options: DraftOptions, spec: TargetSpec) -> tuple[int, ...]:
    if options.target_layer_ids is not None:
        return tuple(options.target_layer_ids)
    return target_layer_ids(spec.model_type, spec.num_layers, options.target_layer_count or CAPTURED_LAYERS)


def _layer_types(sliding: list[int], layers: int) -> tuple[LayerType, ...]:
    for layer in sliding:
        if not 0 <= layer < layers:
            raise ImpossibleConfigError(Problem("layer_types", f"names layer {layer} of a draft with {layers} layers"))
    return tuple("sliding_attention" if i in sliding else "full_attention" for i in range(layers))


def _rotary(mode: RotaryMode, spec: TargetSpec) -> dict[str, Any]:
    return {
        "partial_rotary_factor": spec.partial_rotary_factor if mode != "plain" else 1.0,
        "mrope_section": spec.mrope_section if mode == "mrope" else None,
    }
