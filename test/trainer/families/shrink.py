"""A published config with small numbers: the same keys, a model of some hundred thousand parameters."""

from __future__ import annotations

import copy
from typing import Any

HIDDEN, VOCABULARY, HEAD_DIM, CONTEXT = 64, 2048, 32, 4096
#: Layers, so that the layer rule finds five different ones to capture.
LAYERS = {"qwen3_vl": 12, "qwen3_vl_moe": 12, "qwen3_5": 8, "qwen3_5_moe": 8}

_TEXT = {
    "hidden_size": HIDDEN,
    "vocab_size": VOCABULARY,
    "head_dim": HEAD_DIM,
    "max_position_embeddings": CONTEXT,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    # Twice this differs from the hidden size on purpose: square experts hide a transposition.
    "moe_intermediate_size": 24,
    "shared_expert_intermediate_size": 40,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}
_TOWER = {
    "depth": 4,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_heads": 2,
    "num_position_embeddings": 64,
    "out_hidden_size": HIDDEN,
}


def shrink(published: dict[str, Any], ids: dict[str, int]) -> dict[str, Any]:
    """The config of the tiny checkpoint.

    Args:
        ids: the tokenizer's ids by token; those in the config are named by the same tokens.
    """
    config = copy.deepcopy(published)
    text, tower = config["text_config"], config["vision_config"]
    layers = LAYERS[config["model_type"]]
    _replace(text, {**_TEXT, "num_hidden_layers": layers})
    _replace(tower, _TOWER)
    if tower["deepstack_visual_indexes"]:
        tower["deepstack_visual_indexes"] = [1, 2, 3]
    if "layer_types" in text:
        text["layer_types"] = text["layer_types"][:layers]
    for name in ("rope_parameters", "rope_scaling"):
        if name in text:
            share = text[name].get("partial_rotary_factor", 1.0)
            text[name]["mrope_section"] = _sections(int(HEAD_DIM * share) // 2)
    return with_ids(config, ids)


def with_ids(config: dict[str, Any], ids: dict[str, int]) -> dict[str, Any]:
    """The config (or generation_config.json) with the tiny tokenizer's ids in place of the published ones."""
    tokens = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    # The published numbers of these differ between the vocabularies, their order does not.
    ends = {151643: "<|endoftext|>", 151645: "<|im_end|>", 248044: "<|endoftext|>", 248046: "<|im_end|>"}

    def changed(key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {inner: changed(inner, one) for inner, one in value.items()}
        if key in tokens:
            return ids[tokens[key]]
        if key in ("bos_token_id", "eos_token_id", "pad_token_id") and value is not None:
            return [ids[ends[one]] for one in value] if isinstance(value, list) else ids[ends[value]]
        return value

    made: dict[str, Any] = changed("", config)
    return made


def _replace(section: dict[str, Any], values: dict[str, Any]) -> None:
    section |= {key: value for key, value in values.items() if key in section}


def _sections(half: int) -> list[int]:
    """``half`` frequencies for time, height and width, in about the published proportions."""
    side = half // 3
    return [half - 2 * side, side, side]
