"""A model directory as the server needs it: target, tokenizer, template, image processor, stop tokens, limits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from draftsmith_trainer.base.errors import UserError
from transformers import AutoImageProcessor, AutoTokenizer

from ..decode.decoder import Decoder
from ..decode.drafting import Drafting
from ..decode.rows import EXACT_SHAPES, bits_hold
from ..decode.speculative import drafting_for
from .settings import Settings


@dataclass(frozen=True)
class Checkpoint:
    """Everything that is loaded once.

    Attributes:
        target: the model.
        tokenizer: transformers' tokenizer of the directory.
        image_processor: the directory's own.
        stop_ids: end-of-sequence ids of the configuration, the generation configuration and the tokenizer.
        context: most tokens of prompt and answer together.
        drafting: with a draft.
        block_size: of the draft.
        batch_invariant: whether a token's numbers are the same bits whatever it is batched with (see ``decode.rows``).
    """

    target: Decoder
    tokenizer: Any
    image_processor: Any
    stop_ids: frozenset[int]
    context: int
    drafting: Drafting | None
    block_size: int | None
    batch_invariant: bool


def load(settings: Settings) -> Checkpoint:
    """Loads what the settings name.

    Raises:
        UserError: when a directory or a needed file is missing, or does not fit.
    """
    transformers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(settings.torch_threads)
    dtype = getattr(torch, settings.dtype, None)
    if not isinstance(dtype, torch.dtype):
        raise UserError("bad-dtype", f"no torch type is called {settings.dtype!r}", "Use float32, bfloat16 or float16.")
    for name in ("config.json", "tokenizer.json", "preprocessor_config.json"):
        if not (settings.model / name).is_file():
            raise UserError("target-missing", f"{settings.model} has no {name}.", "Give a checkpoint's directory.")
    target = Decoder.load(settings.model, dtype, settings.device)
    _check_state_layers(settings, target)
    tokenizer = _loaded("tokenizer", AutoTokenizer, settings)
    if tokenizer.chat_template is None:
        raise UserError("template-missing", f"{settings.model} has no chat template.", "Add chat_template.jinja.")
    drafting, block_size = None, None
    if settings.draft is not None:
        from draftsmith_trainer.algorithms.store import load_draft
        from draftsmith_trainer.draft.fit import fit_problem
        from draftsmith_trainer.target.spec import read_spec

        draft = load_draft(settings.draft, dtype).to(settings.device)
        problem = fit_problem(draft.config, read_spec(settings.model))
        if problem:
            message = f"draft {settings.draft} was made for another target than {settings.model}: {problem}"
            raise UserError("draft-target", message, "serve it with the target that it was trained for")
        drafting, block_size = drafting_for(target, draft), draft.config.block_size
    return Checkpoint(
        target=target,
        tokenizer=tokenizer,
        image_processor=_loaded("image processor", AutoImageProcessor, settings),
        stop_ids=_stop_ids(settings, target, tokenizer),
        context=settings.context_length or target.text_config.max_position_embeddings,
        drafting=drafting,
        block_size=block_size,
        batch_invariant=_batch_invariant(target),
    )


def _check_state_layers(settings: Settings, target: Decoder) -> None:
    if settings.state_layers and settings.draft is not None:
        raise UserError("bad-layer", "Hidden states are returned without a draft only.", "Leave out one of the two.")
    layers = target.text_config.num_hidden_layers
    for layer in settings.state_layers:
        if not 0 <= layer < layers:
            raise UserError("bad-layer", f"There is no layer {layer}.", f"The target has layers 0 to {layers - 1}.")


def _loaded(what: str, kind: Any, settings: Settings) -> Any:
    try:
        return kind.from_pretrained(settings.model)
    except Exception as error:  # the tokenizers library raises bare Exception for a file that it cannot parse
        message = f"{settings.model}: its {what} cannot be loaded: {error}"
        raise UserError("target-processor", message, "download its JSON files again") from error


def _batch_invariant(target: Decoder) -> bool:
    experts = getattr(target.text_config, "num_experts", None)
    return target.rules != EXACT_SHAPES and not experts and bits_hold(torch.get_num_threads(), target.packed)


def _stop_ids(settings: Settings, target: Decoder, tokenizer: Any) -> frozenset[int]:
    ids: set[int] = set()
    path = settings.model / "generation_config.json"
    generation = json.loads(path.read_text()) if path.is_file() else {}
    for value in (
        generation.get("eos_token_id"),
        getattr(target.config, "eos_token_id", None),
        getattr(target.text_config, "eos_token_id", None),
        tokenizer.eos_token_id,
    ):
        ids.update(value if isinstance(value, list) else [] if value is None else [value])
    return frozenset(ids)
