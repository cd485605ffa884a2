"""Builds the draft's config from the options and the target; unset options are derived from the target."""

from __future__ import annotations

from ..base.errors import UserError
from ..draft.config import AlgorithmConfig, DraftConfig, ImpossibleConfigError, LayerType, Problem
from ..draft.layer_rule import target_layer_ids
from ..draft.options import DraftOptions
from ..target.spec import TargetSpec, mask_token_id

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


def draft_config(options: DraftOptions, spec: TargetSpec, algorithm: AlgorithmConfig) -> DraftConfig:
    """The config of a new draft of ``spec``.

    Raises:
        UserError: ``bad-option`` for an invalid option, and the errors of the layer rule and the mask id.
    """
    try:
        return _config(options, spec, algorithm)
    except ImpossibleConfigError as error:
        option = _OPTIONS.get(error.problem.key)
        if option is None:
            raise
        raise UserError("bad-option", f"{option} {error.problem.says}", field=option) from error


def _config(options: DraftOptions, spec: TargetSpec, algorithm: AlgorithmConfig) -> DraftConfig:
    for layer in options.sliding_layers:
        if not 0 <= layer < options.layers:
            says = f"names layer {layer} of a draft with {options.layers} layers"
            raise ImpossibleConfigError(Problem("layer_types", says))
    types: tuple[LayerType, ...] = tuple(
        "sliding_attention" if i in options.sliding_layers else "full_attention" for i in range(options.layers)
    )
    ids = options.target_layer_ids
    mrope = options.rotary == "mrope"
    return DraftConfig(
        hidden_size=spec.hidden_size,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads or spec.heads,
        num_key_value_heads=options.kv_heads or spec.kv_heads,
        head_dim=options.head_dim or spec.head_dim,
        intermediate_size=options.intermediate_size or 3 * spec.hidden_size,
        vocab_size=spec.vocab_size,
        block_size=options.block_size,
        mask_token_id=options.mask_token_id if options.mask_token_id is not None else mask_token_id(spec),
        target_layer_ids=tuple(ids)
        if ids is not None
        else target_layer_ids(spec.model_type, spec.num_layers, options.target_layer_count),
        num_target_layers=spec.num_layers,
        algorithm=algorithm,
        rope_theta=spec.rope_theta,
        rms_norm_eps=spec.rms_norm_eps,
        max_position_embeddings=spec.max_position_embeddings,
        rotary=options.rotary,
        partial_rotary_factor=spec.partial_rotary_factor if options.rotary != "plain" else 1.0,
        mrope_section=spec.mrope_section if mrope else None,
        layer_types=types,
        sliding_window=options.sliding_window if options.sliding_layers else None,
        bos_token_id=spec.bos_token_id,
        eos_token_id=spec.eos_token_id,
    )
