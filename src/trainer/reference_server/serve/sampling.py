"""From a request's sampling fields to what decoding needs; what is not greedy is refused, never approximated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .errors import ApiError, UnknownSamplingKeyError, bad_request
from .protocol import SAMPLING_KEYS, Body, ChatRequest, GenerateRequest, GenerateSampling, Sampling
from .unsupported import check_supported


@dataclass(frozen=True)
class Ending:
    """When an answer ends and how its text is cut.

    Attributes:
        max_new_tokens: None for "until the context is full".
        stop_ids: the request's own.
        stop_strings: their first appearance ends the answer.
        ignore_eos: whether the model's own stop tokens count for nothing.
        keep_stop: whether the text keeps the stop token or string.
        skip_special: whether the text leaves special tokens out.
    """

    max_new_tokens: int | None
    stop_ids: frozenset[int]
    stop_strings: tuple[str, ...]
    ignore_eos: bool
    keep_stop: bool
    skip_special: bool


def _check_ranges(fields: Sampling) -> None:
    """Refuses what is out of range, in SGLang's words."""
    t, p = fields.temperature, fields.top_p
    if t is not None and (not math.isfinite(t) or t < 0):
        raise bad_request(f"temperature must be a non-negative finite number, got {t}.")
    if p is not None and not 0 < p <= 1:
        raise bad_request(f"top_p must be in (0, 1], got {p}.")


def _ending(fields: Sampling, max_new_tokens: int | None, skip_special: bool) -> Ending:
    if max_new_tokens is not None and max_new_tokens < 0:
        raise bad_request(f"max_new_tokens must be at least 0, got {max_new_tokens}.")
    stop = [fields.stop] if isinstance(fields.stop, str) else fields.stop or []
    return Ending(
        max_new_tokens=max_new_tokens,
        stop_ids=frozenset(fields.stop_token_ids or ()),
        stop_strings=tuple(s for s in stop if s),
        ignore_eos=fields.ignore_eos,
        keep_stop=fields.no_stop_trim,
        skip_special=skip_special,
    )


def _fields(body: Body) -> dict[str, Any]:
    """All fields, undeclared ones included. ``temperature`` left out counts as 0: this server can do nothing else."""
    return dict(body)


def chat_ending(request: ChatRequest) -> Ending:
    """Checks a chat request; special tokens stay in the text while tools are active, as their tags may be special."""
    _check_ranges(request)
    check_supported(_fields(request))
    limit = request.max_completion_tokens if request.max_completion_tokens is not None else request.max_tokens
    return _ending(request, limit, request.skip_special_tokens and not request.tools)


def generate_ending(raw: dict[str, object]) -> Ending:
    """Checks /generate's sampling_params.

    Raises:
        ApiError: also for unknown keys.
        pydantic.ValidationError: for wrong types.
    """
    for key in raw:
        if key not in SAMPLING_KEYS:
            known = ", ".join(f"`{name}`" for name in SAMPLING_KEYS)
            raise UnknownSamplingKeyError(f"unknown field `{key}`, expected one of {known}")
    fields = GenerateSampling.model_validate(raw)
    _check_ranges(fields)
    check_supported(_fields(fields))
    return _ending(fields, fields.max_new_tokens, fields.skip_special_tokens)


def check_generate(request: GenerateRequest) -> None:
    """Checks the fields of /generate beside sampling_params.

    Raises:
        ApiError: for a field that would change the answer and that this server does not have.
    """
    check_supported(_fields(request))


def fit(ending: Ending, prompt_tokens: int, context: int) -> int:
    """The number of new tokens that a prompt may have.

    Raises:
        ApiError: when prompt, or prompt and answer, do not fit the context; messages as SGLang's.
    """
    if prompt_tokens >= context:
        raise ApiError(
            400, f"The input ({prompt_tokens} tokens) is longer than the model's context length ({context} tokens)."
        )
    if ending.max_new_tokens is None:
        return context - prompt_tokens
    total = prompt_tokens + ending.max_new_tokens
    if total > context:
        raise bad_request(
            f"Requested token count exceeds the model's maximum context length of {context} tokens. You requested a "
            f"total of {total} tokens: {prompt_tokens} tokens from the input messages and {ending.max_new_tokens} "
            "tokens for the completion. Please reduce the number of tokens in the input messages or the completion to "
            "fit within the limit."
        )
    return ending.max_new_tokens
