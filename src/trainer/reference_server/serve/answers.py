"""The parts of answers that chat and /generate share: meta_info, usage, metadata."""

from __future__ import annotations

import time
from typing import Any

from ..decode.request import DecodeRequest, DraftCounts, Finish

#: SGLang's name for weights that were never exchanged while serving.
WEIGHT_VERSION = "default"


def finish_reason(finish: Finish, count: int) -> dict[str, Any]:
    """SGLang's finish_reason object."""
    if finish.type == "stop":
        return {"type": "stop", "matched": finish.matched}
    if finish.type == "length":
        return {"type": "length", "length": count}
    return {"type": "abort", "message": finish.message, "status_code": None, "err_type": None}


def weight_versions(count: int) -> list[dict[str, Any]]:
    """Which weights made which tokens: always one version here."""
    return [{"version": WEIGHT_VERSION, "start": 0, "end": count}]


def image_tokens(decode_request: DecodeRequest, merge_size: int) -> int:
    """Placeholder tokens of a prompt's images."""
    return sum(image.grid[0] * image.grid[1] * image.grid[2] // merge_size**2 for image in decode_request.prompt.images)


def meta_info(
    decode_request: DecodeRequest,
    rid: str,
    merge_size: int,
    started: float,
    count: int,
    finish: Finish | None,
    reasoning_tokens: int = 0,
) -> dict[str, Any]:
    """SGLang's meta_info, keys in its order.

    Args:
        decode_request: what was decoded for it.
        rid: request id.
        merge_size: of the vision tower.
        started: time.perf_counter() at arrival.
        count: tokens to report (a stream reports before the end).
        finish: None while the answer grows.
        reasoning_tokens: tokens up to the end of the reasoning, with a reasoning parser.
    """
    info: dict[str, Any] = {
        "id": rid,
        "finish_reason": None if finish is None else finish_reason(finish, count),
        "prompt_tokens": len(decode_request.prompt),
        "weight_version": WEIGHT_VERSION,
        "num_retractions": 0,
        "reasoning_tokens": reasoning_tokens,
        "completion_tokens": count,
        "cached_tokens": decode_request.cached_tokens,
    }
    if finish is not None:
        info["weight_versions"] = weight_versions(count)
    info["cached_tokens_details"] = (
        {"device": decode_request.cached_tokens, "host": 0} if decode_request.cached_tokens else None
    )
    pictures = image_tokens(decode_request, merge_size)
    if pictures:
        info["image_tokens"] = pictures
    info["dp_rank"] = None
    if finish is not None:
        info["e2e_latency"] = time.perf_counter() - started
        if decode_request.drafts is not None and decode_request.drafts.matched:
            info.update(spec_info(decode_request.drafts, count))
    info["response_sent_to_client_ts"] = time.time()
    return info


def spec_info(drafts: DraftCounts, count: int) -> dict[str, Any]:
    """Acceptance, counted as SGLang does: drafts behind the end of the answer count too, if the target agreed."""
    steps, correct = len(drafts.matched), sum(drafts.matched)
    histogram = [0] * (max(drafts.matched, default=-1) + 1)
    for matched in drafts.matched:
        histogram[matched] += 1
    return {
        "spec_accept_rate": correct / drafts.proposed if drafts.proposed else 0.0,
        "spec_accept_length": count / steps if steps else 0.0,
        "spec_num_correct_drafts": correct,
        "spec_num_proposed_drafts": drafts.proposed,
        "spec_verify_ct": steps,
        "spec_correct_drafts_histogram": histogram,
    }


def usage(decode_request: DecodeRequest, merge_size: int, count: int, reasoning_tokens: int = 0) -> dict[str, Any]:
    """The OpenAI usage object; cached_tokens stays 0 there, as without SGLang's --enable-cache-report."""
    pictures = image_tokens(decode_request, merge_size)
    return {
        "prompt_tokens": len(decode_request.prompt),
        "total_tokens": len(decode_request.prompt) + count,
        "completion_tokens": count,
        "prompt_tokens_details": {"cached_tokens": 0, "image_tokens": pictures} if pictures else None,
        "reasoning_tokens": reasoning_tokens,
        "completion_tokens_details": None,
    }


def metadata(count: int) -> dict[str, Any]:
    """The top-level metadata of a chat answer."""
    return {"weight_version": WEIGHT_VERSION, "weight_versions": weight_versions(count)}
