"""Plain greedy decoding of one sequence or of many in a batch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .decoder import Decoder
from .prompt import Prompt
from .request import DecodeRequest
from .scheduler import Scheduler


@dataclass(frozen=True)
class GreedyResult:
    """A greedy continuation.

    Attributes:
        ids: new tokens, the stop token included.
        finish: ``stop`` or ``length``.
    """

    ids: list[int]
    finish: str


def as_target(target: Any) -> Decoder:
    """Accepts a ``Decoder`` or a transformers model."""
    return target if isinstance(target, Decoder) else Decoder(target)


def generate(
    target: Any,
    input_ids: Tensor,
    pixel_values: Tensor | None = None,
    image_grid_thw: Tensor | None = None,
    mm_token_type_ids: Tensor | None = None,  # noqa: ARG001 - part of a processor's output; implied by input_ids
    max_new_tokens: int = 128,
    stop_ids: Collection[int] = (),
) -> GreedyResult:
    """Continues one prompt.

    Args:
        target: a ``Decoder`` or a transformers Qwen vision-language model.
        input_ids: [S] or [1, S], image placeholders expanded.
        pixel_values: [patches of all images, ...].
        image_grid_thw: [images, 3].
        mm_token_type_ids: ignored; accepted so that a processor's whole output can be passed.
        max_new_tokens: limit on new tokens.
        stop_ids: tokens that end the answer; the one that does is its last token.

    Raises:
        UserError: when the prompt does not fit the model or its images.
    """
    target = as_target(target)
    prompt = target.prompt_from_tensors(input_ids, pixel_values, image_grid_thw)
    return generate_batch(target, [prompt], max_new_tokens, stop_ids, max_rows=1)[0]


def generate_batch(
    target: Decoder,
    prompts: Sequence[Prompt],
    max_new_tokens: int,
    stop_ids: Collection[int] = (),
    max_rows: int = 16,
    prefix_bytes: int = 0,
) -> list[GreedyResult]:
    """Continues many prompts, up to ``max_rows`` at a time; a waiting prompt starts as soon as another finishes."""
    scheduler = Scheduler(target, max_rows, prefix_bytes=prefix_bytes)
    requests = [DecodeRequest(prompt, max_new_tokens, frozenset(stop_ids)) for prompt in prompts]
    for request in requests:
        scheduler.submit(request)
    scheduler.run()
    return [GreedyResult(request.ids, request.finish.type if request.finish else "abort") for request in requests]
