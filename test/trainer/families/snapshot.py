"""Writes a family's tiny checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from fp8_maker import quantised, quantization_config, write_sharded
from torch import Tensor

from .chain import plan_words, teach
from .names import FAMILIES, Form
from .shrink import HIDDEN, shrink, with_ids
from .tokens import write_tokenizer

#: Rows and columns that share an FP8 scale; published snapshots have 128, of which a tiny matrix would be one block.
FP8_BLOCK = (40, 28)


def write_family(name: str, directory: Path, form: Form = "hub", seed: int = 0) -> Path:
    """Writes the snapshot of a named target; the same seed and packages give the same bytes."""
    family = FAMILIES[name]
    published = json.loads(family.config.read_text("utf-8"))
    recent = published["model_type"].startswith("qwen3_5")
    directory.mkdir(parents=True, exist_ok=True)
    ids = write_tokenizer(directory, family, recent)
    config = shrink(published, ids)
    model = _model(config, seed)
    teach(model, ids, plan_words(ids, family.thinks, seed), seed)
    generation = with_ids(json.loads(family.generation.read_text("utf-8")), ids)
    _write(directory / "generation_config.json", generation)
    _write_processors(directory)
    (directory / "README.md").write_text(f"A tiny random checkpoint in the layout of {name}.\n", "utf-8")
    if form == "saved":
        # generation_config.json and config.json as transformers spells them.
        model.to(torch.bfloat16).save_pretrained(directory, max_shard_size="700KB")
        return directory
    tensors = {key: value.to(torch.bfloat16) for key, value in _published(model, config["model_type"]).items()}
    if recent:
        tensors |= _multi_token_prediction(tensors, seed)
    if form == "fp8":
        fused = {key: value.float() for key, value in _fused(tensors, config["model_type"]).items()}
        tensors, _ = quantised(fused, FP8_BLOCK, per_expert=True, dtype=torch.bfloat16)
        scales = [key for key in tensors if key.endswith("_scale_inv")]
        tensors = {
            key: value if value.dtype == torch.float8_e4m3fn or key in scales else value.to(torch.bfloat16)
            for key, value in tensors.items()
        }
        config["quantization_config"] = quantization_config(FP8_BLOCK, tensors)
    write_sharded(directory, tensors, family.shards)
    _write(directory / "config.json", config)
    return directory


def _model(config: dict[str, Any], seed: int) -> Any:
    from transformers import CONFIG_MAPPING, AutoModelForImageTextToText

    values = {key: value for key, value in config.items() if key not in ("architectures", "transformers_version")}
    torch.manual_seed(seed)
    made = CONFIG_MAPPING[config["model_type"]](**values)
    return AutoModelForImageTextToText.from_config(made).float().eval()


def _published(model: Any, model_type: str) -> dict[str, Tensor]:
    """The tensors by the names and in the layout of the hub: Qwen3-VL-MoE holds fused experts transposed."""
    tensors: dict[str, Tensor] = dict(model.state_dict())
    if model_type != "qwen3_vl_moe":
        return tensors
    fused = (".experts.gate_up_proj", ".experts.down_proj")
    return {key: value.transpose(1, 2) if key.endswith(fused) else value for key, value in tensors.items()}


def _fused(tensors: dict[str, Tensor], model_type: str) -> dict[str, Tensor]:
    """Back to the layout of the model, from which single experts are cut."""
    if model_type != "qwen3_vl_moe":
        return tensors
    return {key: value.transpose(1, 2) if ".experts." in key else value for key, value in tensors.items()}


def _multi_token_prediction(tensors: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
    """The extra head of Qwen3.5 and later, which neither training nor the reference server reads."""
    generator = torch.Generator().manual_seed(seed + 1)
    prefix = next(key for key in sorted(tensors) if key.endswith("self_attn.q_proj.weight")).partition("self_attn.")[0]
    layer = {f"mtp.layers.0.{key.removeprefix(prefix)}": value for key, value in tensors.items() if prefix in key}
    norms = {
        f"mtp.{name}.weight": torch.zeros(HIDDEN) for name in ("norm", "pre_fc_norm_embedding", "pre_fc_norm_hidden")
    }
    fc = torch.randn(HIDDEN, 2 * HIDDEN, generator=generator) * 0.02
    made = {**layer, **norms, "mtp.fc.weight": fc}
    return {key: value.clone().to(torch.bfloat16) for key, value in made.items()}


def _write_processors(directory: Path) -> None:
    settings: dict[str, Any] = {
        "size": {"longest_edge": 16777216, "shortest_edge": 65536},
        "patch_size": 16,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "Qwen3VLProcessor",
        "image_processor_type": "Qwen2VLImageProcessorFast",
    }
    _write(directory / "preprocessor_config.json", settings)
    del settings["image_processor_type"]
    settings |= {
        "size": {"longest_edge": 25165824, "shortest_edge": 4096},
        "video_processor_type": "Qwen3VLVideoProcessor",
    }
    _write(directory / "video_preprocessor_config.json", settings)


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
