"""Configs of the four target types at their real widths, as their checkpoints have them."""

from __future__ import annotations

from typing import Any

_TOWER = {
    "depth": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_heads": 16,
    "in_channels": 3,
    "patch_size": 16,
    "temporal_patch_size": 2,
    "spatial_merge_size": 2,
    "num_position_embeddings": 2304,
}
_IDS = {"image_token_id": 1, "video_token_id": 2, "vision_start_token_id": 3, "vision_end_token_id": 4}
_VL = {"head_dim": 128, "vocab_size": 151_936, "num_attention_heads": 32, "max_position_embeddings": 262_144}
_35 = {"head_dim": 256, "vocab_size": 248_320, "num_attention_heads": 16, "max_position_embeddings": 262_144}
_DELTA = {"linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 16}
_ROPE = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": True}
_ROPE35 = {**_ROPE, "mrope_section": [11, 11, 10], "partial_rotary_factor": 0.25, "rope_theta": 1e7}


def real_config(name: str) -> dict[str, Any]:
    """config.json of ``8b``, ``30b``, ``9b`` or ``35b``."""
    deep = {"deepstack_visual_indexes": [8, 16, 24]}
    text: dict[str, Any]
    if name == "8b":
        text = {**_VL, "hidden_size": 4096, "num_hidden_layers": 36, "num_key_value_heads": 8}
        text |= {"intermediate_size": 12_288, "rope_parameters": _ROPE}
        return _whole("qwen3_vl", text, {**_TOWER, **deep, "out_hidden_size": 4096})
    if name == "30b":
        text = {**_VL, "hidden_size": 2048, "num_hidden_layers": 48, "num_key_value_heads": 4}
        text |= {"intermediate_size": 6144, "moe_intermediate_size": 768, "num_experts": 128}
        text |= {"num_experts_per_tok": 8, "decoder_sparse_step": 1, "mlp_only_layers": [], "rope_parameters": _ROPE}
        text |= {"tie_word_embeddings": False}
        return _whole("qwen3_vl_moe", text, {**_TOWER, **deep, "out_hidden_size": 2048})
    if name == "9b":
        text = {**_35, **_DELTA, "hidden_size": 4096, "num_hidden_layers": 32, "num_key_value_heads": 4}
        text |= {"intermediate_size": 12_288, "linear_num_value_heads": 32, "rope_parameters": _ROPE35}
        return _whole("qwen3_5", text, {**_TOWER, "out_hidden_size": 4096})
    text = {**_35, **_DELTA, "hidden_size": 2048, "num_hidden_layers": 40, "num_key_value_heads": 2}
    text |= {"moe_intermediate_size": 512, "shared_expert_intermediate_size": 512, "num_experts": 256}
    text |= {"num_experts_per_tok": 8, "linear_num_value_heads": 32, "rope_parameters": _ROPE35}
    return _whole("qwen3_5_moe", text, {**_TOWER, "out_hidden_size": 2048})


def _whole(kind: str, text: dict[str, Any], vision: dict[str, Any]) -> dict[str, Any]:
    return {"model_type": kind, "text_config": text, "vision_config": vision, "tie_word_embeddings": False, **_IDS}
