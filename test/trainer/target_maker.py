"""Tiny random targets of the four supported model types, complete enough to be loaded from a directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MODEL_TYPES = ("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe")
IMAGE, VIDEO, VISION_START, VISION_END = 500, 501, 502, 503
VOCAB, LAYERS, HIDDEN = 512, 8, 64


def tiny_config(kind: str, hidden: int = HIDDEN, layers: int = LAYERS) -> Any:
    """A transformers config: 8 text layers of width 64 unless said otherwise, a vision tower of 4 blocks."""
    from transformers import CONFIG_MAPPING

    vision: dict[str, Any] = {
        "depth": 4,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "out_hidden_size": hidden,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "num_position_embeddings": 64,
    }
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": 5e6, "mrope_interleaved": True}
    text: dict[str, Any] = {
        "vocab_size": VOCAB,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 16,
        "num_key_value_heads": hidden // 32,
        "head_dim": 16,
        "intermediate_size": 2 * hidden,
        "max_position_embeddings": 2048,
        "eos_token_id": 499,
        "rope_parameters": rope,
    }
    if kind.startswith("qwen3_vl"):
        vision["deepstack_visual_indexes"] = [1, 2, 3]
        rope["mrope_section"] = [4, 2, 2]
    else:
        rope |= {"mrope_section": [2, 1, 1], "partial_rotary_factor": 0.5}
        # transformers 5.17 writes its default there as well, and two spellings that differ are refused.
        text["partial_rotary_factor"] = 0.5
        text |= {"linear_key_head_dim": 16, "linear_value_head_dim": 16}
        text |= {"linear_num_key_heads": 2, "linear_num_value_heads": 4}
    if kind.endswith("_moe"):
        # 2 x 48 differs from the hidden size on purpose: square experts hide a transposition.
        text |= {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 48}
    if kind == "qwen3_5_moe":
        text["shared_expert_intermediate_size"] = 32
    ids = {"image_token_id": IMAGE, "video_token_id": VIDEO}
    ids |= {"vision_start_token_id": VISION_START, "vision_end_token_id": VISION_END}
    return CONFIG_MAPPING[kind](text_config=text, vision_config=vision, **ids)


def make_model(kind: str, seed: int = 0, hidden: int = HIDDEN, layers: int = LAYERS) -> Any:
    """A random fp32 model in eval mode."""
    import torch
    from transformers import AutoModelForImageTextToText

    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_config(tiny_config(kind, hidden, layers)).float().eval()
    # A random model must not say placeholders: a real one does not either.
    model.lm_head.weight.data[IMAGE : VISION_END + 1] = 0
    return model


def write_target(directory: Path, kind: str, seed: int = 0, hidden: int = HIDDEN, layers: int = LAYERS) -> Path:
    """Saves a random model and the processors' settings; no tokenizer, rows carry ids."""
    make_model(kind, seed, hidden, layers).save_pretrained(directory)
    settings = {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "patch_size": 16,
        "merge_size": 2,
        "temporal_patch_size": 2,
        "size": {"shortest_edge": 32 * 32, "longest_edge": 512 * 512},
    }
    (directory / "preprocessor_config.json").write_text(json.dumps(settings), "utf-8")
    del settings["image_processor_type"]
    settings |= {"video_processor_type": "Qwen3VLVideoProcessor", "cap_pixels_per_frame": False}
    (directory / "video_preprocessor_config.json").write_text(json.dumps(settings), "utf-8")
    return directory
