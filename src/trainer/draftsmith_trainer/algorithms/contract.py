"""Compatibility of a draft with a target: for any use of the two together, and for engines that serve them.

The only such checker on the Python side; evaluation, the reference server and export call it. Engines silently accept
most of what it rejects, and then accept almost no drafted tokens.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..draft.config import DraftConfig
from ..draft.fit import FIT, Check
from ..target.spec import MASK_TOKEN, TargetSpec, known_mask_id, tokenizer_ids
from .registry import algorithm_of
from .settings import config_json


def served_checks(config: DraftConfig) -> list[tuple[str, Check]]:
    """(name, check) for everything that engines need to serve the draft well, except the rotary mode."""
    return [*FIT, *_SERVED, *algorithm_of(config).contract.checks]


def rotary_problem(config: DraftConfig, allowed: Collection[str] = ()) -> str | None:
    """Why engines would apply other rotary positions than training did; None for plain and for ``allowed`` modes."""
    if config.rotary == "plain" or config.rotary in allowed:
        return None
    served = "only SGLang >= 0.5.20 and vLLM serve it" if config.rotary == "partial" else "no engine serves it"
    return f"the draft uses {config.rotary} rotary positions, and {served}"


def keys_problem(config: DraftConfig) -> str | None:
    """The first key of config.json that the engines' draft class needs but that would be missing, as a sentence."""
    document = config_json(config)
    for key in algorithm_of(config).contract.keys:
        value: Any = document
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None:
            return f"config.json would lack {key}, which engines need for {document['architectures'][0]}"
    return None


def _captured_layers(config: DraftConfig, spec: TargetSpec) -> str | None:
    if config.target_layer_ids[-1] > spec.num_layers - 2:
        return f"layer {config.target_layer_ids[-1]} is the target's last: engines cannot capture its output"
    if spec.model_type.startswith("qwen3_vl") and config.target_layer_ids[0] < 3:
        # Engines disagree on whether a capture there includes the deepstack features added after layers 0..2.
        return f"target layer {config.target_layer_ids[0]}: below 3, engines capture different states of a Qwen3-VL"
    return None


def _mask_token(config: DraftConfig, spec: TargetSpec) -> str | None:
    if config.mask_token_id >= spec.vocab_size:
        return f"mask id {config.mask_token_id} is outside the target's vocabulary of {spec.vocab_size}"
    known = tokenizer_ids(spec.directory)
    if MASK_TOKEN in known and known[MASK_TOKEN] != config.mask_token_id:
        return f"the tokenizer's {MASK_TOKEN} is {known[MASK_TOKEN]}, the draft was trained with {config.mask_token_id}"
    names = [name for name, token in known.items() if token == config.mask_token_id and name != MASK_TOKEN]
    # Published drafts of Qwen3.5 and later mask with a token of theirs that stands for sound, which no text holds.
    if names and config.mask_token_id != known_mask_id(spec):
        return f"mask id {config.mask_token_id} is the token {names[0]!r}, which real text may hold"
    return None


def _positions(config: DraftConfig, spec: TargetSpec) -> str | None:
    if config.max_position_embeddings < spec.max_position_embeddings:
        return (
            f"max_position_embeddings {config.max_position_embeddings} is below the target's "
            f"{spec.max_position_embeddings}: SGLang refuses to start"
        )
    return None


def _window(config: DraftConfig, _spec: TargetSpec) -> str | None:
    if config.sliding_window is not None and config.sliding_window < config.block_size:
        return f"sliding_window {config.sliding_window} is shorter than a block of {config.block_size}"
    return None


_SERVED: tuple[tuple[str, Check], ...] = (
    ("layers", _captured_layers),
    ("mask-token", _mask_token),
    ("positions", _positions),
    ("window", _window),
)
