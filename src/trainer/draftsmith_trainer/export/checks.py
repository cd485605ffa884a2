"""What must hold for a draft directory to be served well. Engines pass over most of these mistakes without a word.

Sources: SGLang 0.5.23 (dflash worker and model), vLLM 0.33 and transformers 5 (Qwen3Config).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..base.errors import UserError
from ..draft.config import DraftConfig
from ..draft.model import DFlashDraft
from ..draft.store import weights_problem
from ..target.spec import MASK_TOKEN, TargetSpec, tokenizer_ids

Check = Callable[[DraftConfig, TargetSpec], str | None]


def check_export(
    config: DraftConfig, tensors: dict[str, Tensor], spec: TargetSpec, allow_rotary: list[str]
) -> list[str]:
    """Runs every check; returns their names.

    Raises:
        UserError: ``export-<name of the check>``, at the first that fails.
    """
    named: dict[str, Check] = {
        "hidden-size": _hidden_size,
        "vocabulary": _vocabulary,
        "layers": _layers,
        "mask-token": _mask_token,
        "positions": _positions,
        "window": _window,
        "head": _head,
    }
    for name, check in named.items():
        _raise(name, check(config, spec))
    _raise("rotary", _rotary(config, allow_rotary), "name it in allowRotary to export it all the same")
    _raise("weights", weights_problem(DFlashDraft(config), tensors))
    return [*named, "rotary", "weights"]


def _raise(name: str, problem: str | None, hint: str | None = None) -> None:
    if problem:
        raise UserError(f"export-{name}", problem, hint)


def _hidden_size(config: DraftConfig, spec: TargetSpec) -> str | None:
    if config.hidden_size != spec.hidden_size:
        return f"the draft is {config.hidden_size} wide, the target {spec.hidden_size}: they share the embedding"
    return None


def _vocabulary(config: DraftConfig, spec: TargetSpec) -> str | None:
    if config.vocab_size != spec.vocab_size:
        return f"the draft was trained for {config.vocab_size} tokens, the target has {spec.vocab_size}"
    return None


def _layers(config: DraftConfig, spec: TargetSpec) -> str | None:
    if config.num_target_layers != spec.num_layers:
        return f"the draft was trained for a target of {config.num_target_layers} layers, this has {spec.num_layers}"
    if config.target_layer_ids[-1] > spec.num_layers - 2:
        return f"layer {config.target_layer_ids[-1]} is the target's last: engines cannot capture its output"
    if spec.model_type.startswith("qwen3_vl") and config.target_layer_ids[0] < 3:
        # Engines disagree whether a capture there holds the deepstack features that are added behind layers 0..2.
        return f"target layer {config.target_layer_ids[0]}: below 3, engines capture different states of a Qwen3-VL"
    return None


def _mask_token(config: DraftConfig, spec: TargetSpec) -> str | None:
    if config.mask_token_id >= spec.vocab_size:
        return f"mask id {config.mask_token_id} is outside the target's vocabulary of {spec.vocab_size}"
    known = tokenizer_ids(spec.directory)
    if MASK_TOKEN in known and known[MASK_TOKEN] != config.mask_token_id:
        return f"the tokenizer's {MASK_TOKEN} is {known[MASK_TOKEN]}, the draft was trained with {config.mask_token_id}"
    names = [name for name, token in known.items() if token == config.mask_token_id and name != MASK_TOKEN]
    if names:
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


def _head(config: DraftConfig, _spec: TargetSpec) -> str | None:
    return None if config.head == "plain" else f"no engine class is known for a {config.head!r} head"


def _rotary(config: DraftConfig, allowed: list[str]) -> str | None:
    if config.rotary == "plain" or config.rotary in allowed:
        return None
    served = "only SGLang >= 0.5.20 serves it" if config.rotary == "partial" else "no engine serves it"
    return f"the draft uses {config.rotary} rotary positions, and {served}"
