"""Compatibility of a draft with a target: for any use of the two together, and for engines that serve them.

The only such checker on the Python side; evaluation, the reference server and export call it. Its counterpart in
TypeScript is ``draftProblems`` in src/model/draft-config.ts; the cases in test/contract/draft-configs.json hold both to
the same verdicts. Engines silently accept most of what it rejects, and then accept almost no drafted tokens.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from ..base.errors import UserError
from ..base.fields import WrongFieldError
from ..draft.config import DraftConfig, ImpossibleConfigError, Problem
from ..draft.fit import FIT, Check
from ..target.spec import MASK_TOKEN, TargetSpec, known_mask_id, tokenizer_ids
from .document import document_problems, rope_key
from .registry import algorithm_of
from .settings import config_in, config_json


def served_checks(config: DraftConfig) -> list[tuple[str, Check]]:
    """(name, check) for everything that engines need to serve the draft well, except the rotary mode."""
    return [*FIT, *_SERVED, *algorithm_of(config).contract.checks]


def served_problems(document: dict[str, Any], spec: TargetSpec) -> list[Problem]:
    """Every problem that engines would have with a draft's config.json and a target, with dotted keys.

    What cannot be read is the only problem of its document.
    """
    try:
        config = config_in(document)
    except ImpossibleConfigError as error:
        return [_placed(error.problem, document)]
    except WrongFieldError as error:
        return [Problem(error.key, "is missing or has the wrong type")]
    except UserError as error:
        return [Problem("architectures", error.message)]
    found = [check(config, spec) for _, check in served_checks(config)]
    found += [*document_problems(document), rotary_problem(config)]
    return [_placed(problem, document) for problem in found if problem is not None]


def rotary_problem(config: DraftConfig, allowed: Collection[str] = ()) -> Problem | None:
    """Why engines would apply other rotary positions than training did; None for plain and for ``allowed`` modes."""
    if config.rotary == "plain" or config.rotary in allowed:
        return None
    if config.rotary == "partial":
        factor = config.partial_rotary_factor
        return Problem("partial_rotary_factor", f"is {factor}; only SGLang >= 0.5.20 and vLLM serve it")
    return Problem("mrope_section", "is set, but no engine serves such a draft")


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


def _placed(problem: Problem, document: dict[str, Any]) -> Problem:
    """The problem with the full path of its key in this document."""
    if problem.key == "mrope_section":
        return replace(problem, key=f"{rope_key(document)}.{problem.key}")
    flash = document.get("dflash_config")
    if isinstance(flash, dict) and problem.key in flash and problem.key not in document:
        return replace(problem, key=f"dflash_config.{problem.key}")
    return problem


def _captured_layers(config: DraftConfig, spec: TargetSpec) -> Problem | None:
    first, last = config.target_layer_ids[0], config.target_layer_ids[-1]
    if last > spec.num_layers - 2:
        return Problem(
            "target_layer_ids",
            f"names {last}, but engines capture the target's layers up to {spec.num_layers - 2} only",
        )
    if spec.model_type.startswith("qwen3_vl") and first < 3:
        # Engines disagree on whether a capture there includes the deepstack features added after layers 0..2.
        return Problem("target_layer_ids", f"names {first}: below 3, engines capture different states of a Qwen3-VL")
    return None


def _mask_token(config: DraftConfig, spec: TargetSpec) -> Problem | None:
    mask = config.mask_token_id
    if mask >= spec.vocab_size:
        return Problem("mask_token_id", f"is {mask}, outside the target's vocabulary of {spec.vocab_size}")
    known = tokenizer_ids(spec.directory)
    if MASK_TOKEN in known and known[MASK_TOKEN] != mask:
        return Problem("mask_token_id", f"is {mask}, but the tokenizer's {MASK_TOKEN} is {known[MASK_TOKEN]}")
    names = [name for name, token in known.items() if token == mask and name != MASK_TOKEN]
    # Published drafts of Qwen3.5 and later mask with a token of the tokenizer that stands for sound: no text holds it.
    if names and mask != known_mask_id(spec):
        return Problem("mask_token_id", f"is {mask}, the token {names[0]!r}, which text can hold")
    return None


def _positions(config: DraftConfig, spec: TargetSpec) -> Problem | None:
    own, wanted = config.max_position_embeddings, spec.max_position_embeddings
    if own >= wanted:
        return None
    return Problem("max_position_embeddings", f"is {own}, below the target's {wanted}: SGLang refuses to start")


def _window(config: DraftConfig, _spec: TargetSpec) -> Problem | None:
    if config.sliding_window is None or config.sliding_window >= config.block_size:
        return None
    return Problem("sliding_window", f"is {config.sliding_window}, shorter than a block of {config.block_size}")


_SERVED: tuple[tuple[str, Check], ...] = (
    ("layers", _captured_layers),
    ("mask-token", _mask_token),
    ("positions", _positions),
    ("window", _window),
)
