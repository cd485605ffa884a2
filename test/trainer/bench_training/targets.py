"""Targets and drafts of real shapes with random weights, made where they are used."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from draftsmith_trainer.algorithms.registry import algorithm_of
from draftsmith_trainer.algorithms.settings import new_config
from draftsmith_trainer.draft.config import DraftConfig
from draftsmith_trainer.draft.model import DFlashDraft
from draftsmith_trainer.draft.options import DraftOptions
from draftsmith_trainer.target import Target, read_spec
from real_configs import real_config

NAMES = {"8b": "Qwen3-VL-8B", "30b": "Qwen3-VL-30B-A3B", "9b": "Qwen3.5-9B", "35b": "Qwen3.5-35B-A3B"}


def config_of(name: str, layers: int | None) -> dict[str, Any]:
    """config.json of a target, with fewer layers where ``layers`` says so."""
    config = real_config(name)
    if layers is not None:
        config = copy.deepcopy(config)
        config["text_config"]["num_hidden_layers"] = layers
    return config


def make_target(directory: Path, device: torch.device) -> Any:
    """The whole transformers model of ``directory/config.json`` with random bf16 weights."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    config = AutoConfig.from_pretrained(directory)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = AutoModelForImageTextToText.from_config(config)
    finally:
        torch.set_default_dtype(before)
    generator = torch.Generator(device).manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(0, 0.02, generator=generator)
    return model.requires_grad_(False).eval()


def as_target(model: Any, directory: Path, ids: tuple[int, ...]) -> Target:
    """The model as the trainer sees it."""
    embed, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    return Target(read_spec(directory), model, ids, embed.data, head.data)


def draft_config_of(directory: Path) -> DraftConfig:
    """Five layers, blocks of 8, the layer rule: the request's draft."""
    return new_config(DraftOptions(layers=5, block_size=8, mask_token_id=5), read_spec(directory))


def make_draft(config: DraftConfig, device: torch.device) -> DFlashDraft:
    """A draft with random weights, made on the device."""
    with torch.device(device):
        draft = algorithm_of(config).build(config)
    if device.type == "meta":
        return draft
    generator = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        for parameter in draft.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, parameter.shape[1] ** -0.5, generator=generator)
            else:
                parameter.fill_(1)
    return draft.train()
