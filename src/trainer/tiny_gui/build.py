"""The checkpoint's configs, and a randomly initialised model that fits them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedModel

from .tokenizer import EMBEDDING_ROWS, MAX_LENGTH

PATCH = 16
MERGE = 2
INIT_STD = 0.02


def configs(tokenizer: Tokenizer) -> dict[str, dict[str, Any]]:
    """The JSON files of the checkpoint: file name -> content."""
    ids = {name: tokenizer.token_to_id(f"<|{name}|>") for name in ("endoftext", "im_end", "image_pad", "video_pad")}
    vision_start, vision_end = tokenizer.token_to_id("<|vision_start|>"), tokenizer.token_to_id("<|vision_end|>")
    assert tokenizer.get_vocab_size() < EMBEDDING_ROWS
    text = {
        "model_type": "qwen3_vl_text",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": ids["endoftext"],
        "dtype": "bfloat16",
        "eos_token_id": ids["im_end"],
        "head_dim": 64,
        "hidden_act": "silu",
        "hidden_size": 256,
        "initializer_range": INIT_STD,
        "intermediate_size": 768,
        "max_position_embeddings": MAX_LENGTH,
        "num_attention_heads": 4,
        "num_hidden_layers": 8,
        "num_key_value_heads": 2,
        "pad_token_id": ids["endoftext"],
        "rms_norm_eps": 1e-06,
        "rope_scaling": {"mrope_interleaved": True, "mrope_section": [12, 10, 10], "rope_type": "default"},
        "rope_theta": 100000,
        "use_cache": True,
        "vocab_size": EMBEDDING_ROWS,
    }
    vision = {
        "model_type": "qwen3_vl",
        "deepstack_visual_indexes": [0, 1, 2],
        "depth": 5,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": 192,
        "in_channels": 3,
        "initializer_range": INIT_STD,
        "intermediate_size": 576,
        "num_heads": 3,
        "num_position_embeddings": 256,
        "out_hidden_size": text["hidden_size"],
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 2,
    }
    config = {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "dtype": "bfloat16",
        "image_token_id": ids["image_pad"],
        "text_config": text,
        "tie_word_embeddings": True,
        "video_token_id": ids["video_pad"],
        "vision_config": vision,
        "vision_end_token_id": vision_end,
        "vision_start_token_id": vision_start,
    }
    generation = {
        "bos_token_id": ids["endoftext"],
        "do_sample": False,
        "eos_token_id": [ids["im_end"], ids["endoftext"]],
        "pad_token_id": ids["endoftext"],
    }
    processor = {
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "merge_size": MERGE,
        "patch_size": PATCH,
        "temporal_patch_size": 2,
    }
    image = processor | {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "processor_class": "Qwen3VLProcessor",
        "size": {"longest_edge": 262144, "shortest_edge": 16384},  # pixel counts, not edges
    }
    video = processor | {
        "cap_pixels_per_frame": False,
        "fps": 2,
        "max_frames": 32,
        "min_frames": 4,
        "processor_class": "Qwen3VLProcessor",
        "size": {"longest_edge": 1048576, "shortest_edge": 16384},
        "video_processor_type": "Qwen3VLVideoProcessor",
    }
    return {
        "config.json": config,
        "generation_config.json": generation,
        "preprocessor_config.json": image,
        "video_preprocessor_config.json": video,
    }


def write_configs(directory: Path) -> None:
    """Writes the JSON files into a directory that holds tokenizer.json."""
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    for name, content in configs(tokenizer).items():
        (directory / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def random_model(directory: Path, seed: int) -> PreTrainedModel:
    """An fp32 model with seeded random weights, built from the directory's config."""
    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(directory)
    model: PreTrainedModel = AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    return model


def main() -> None:
    """Writes configs, and with --weights random weights, into a directory that holds tokenizer.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--weights", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    write_configs(arguments.dir)
    if arguments.weights:
        from .save import save_weights

        save_weights(random_model(arguments.dir, arguments.seed), arguments.dir)


if __name__ == "__main__":
    main()
