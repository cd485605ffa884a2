"""From a request's sampling fields to what decoding needs; what is not greedy is refused, never approximated."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .errors import ApiError, UnknownSamplingKeyError, bad_request, not_greedy
from .protocol import SAMPLING_KEYS, ChatRequest, GenerateSampling, Sampling

#: Field -> values that leave greedy decoding as it is.
NEUTRAL: dict[str, tuple[object, ...]] = {
    "frequency_penalty": (None, 0.0),
    "presence_penalty": (None, 0.0),
    "repetition_penalty": (None, 1.0),
    "stop_regex": (None,),
    "regex": (None,),
    "ebnf": (None,),
    "logit_bias": (None, {}),
    "min_tokens": (None, 0),
    "min_new_tokens": (None, 0),
    "json_schema": (None,),
    "structural_tag": (None,),
    "reasoning_effort": (None,),
}


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


def check_greedy(fields: Sampling) -> None:
    """Refuses what is out of range (in SGLang's words) or not greedy (in ours).

    ``temperature`` left out counts as 0: there is nothing else that this server could do.
    """
    t, p = fields.temperature, fields.top_p
    if t is not None and (not math.isfinite(t) or t < 0):
        raise bad_request(f"temperature must be a non-negative finite number, got {t}.")
    if p is not None and not 0 < p <= 1:
        raise bad_request(f"top_p must be in (0, 1], got {p}.")
    if t:
        raise not_greedy("temperature", t)
    if fields.n not in (None, 1):
        raise not_greedy("n", fields.n)
    for name, allowed in NEUTRAL.items():
        value = getattr(fields, name, None)
        if value not in allowed:
            raise not_greedy(name, value)


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


def chat_ending(request: ChatRequest) -> Ending:
    """Checks a chat request; special tokens stay in the text while tools are active, as their tags may be special."""
    check_greedy(request)
    if request.logprobs:
        raise not_greedy("logprobs", True)
    if request.response_format is not None and request.response_format.get("type") != "text":
        raise not_greedy("response_format", request.response_format)
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
    check_greedy(fields)
    return _ending(fields, fields.max_new_tokens, fields.skip_special_tokens)


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
