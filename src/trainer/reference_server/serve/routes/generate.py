"""POST /generate, SGLang's own endpoint: text or ids, one prompt or several."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ...decode.request import DecodeRequest, Finish
from ..answers import meta_info
from ..context import Context, body_of, context_of
from ..disconnect import or_gone
from ..errors import ApiError, answering, bad_request, generate_error, invalid
from ..protocol import GenerateRequest
from ..sampling import check_generate, generate_ending
from ..sse import DONE, event
from ..text import TextOf


@dataclass
class Item:
    """One prompt of a request."""

    context: Context
    decode_request: DecodeRequest
    text: TextOf
    rid: str
    started: float
    prompt_ids: bool

    def answer(self, count: int, finish: Finish | None) -> dict[str, Any]:
        """The answer so far; a stream repeats it from the beginning each time."""
        ids = self.decode_request.ids[:count]
        out: dict[str, Any] = {
            "text": self.text.whole(ids, finish.matched) if finish else self.text.growing(ids),
            "output_ids": ids,
            "meta_info": meta_info(self.decode_request, self.rid, self.context.merge_size, self.started, count, finish),
        }
        if self.decode_request.states is not None and finish is not None:
            # A list of rows for the prompt; SGLang appends a row for every further token of the answer.
            out["meta_info"]["hidden_states"] = [self.decode_request.states.float().tolist()]
        if self.prompt_ids:
            out["prompt_token_ids"] = self.decode_request.prompt.ids
        return out


@answering(generate_error)
async def generate(request: Request) -> Response:
    """Answers one prompt with an object, several with a list."""
    started = time.perf_counter()
    body = await body_of(request, GenerateRequest)
    context = context_of(request)
    if body.return_hidden_states and not context.settings.state_layers:
        raise bad_request(
            "The server is not configured to return hidden states. Please set `--return-hidden-states-mode last`, "
            "`--return-hidden-states-mode full`, or the legacy `--enable-return-hidden-states` flag."
        )
    check_generate(body)
    singles, many = _split(body)
    items = [await _item(context, single, started) for single in singles]
    if body.return_hidden_states:
        _want_states(items, body)
    if body.stream:
        if many:
            raise bad_request("Streaming several prompts in one request is not supported by this server.")
        return StreamingResponse(_stream(items[0]), media_type="text/event-stream")
    work = asyncio.gather(*(context.engine.run(item.decode_request) for item in items))

    async def wait() -> bool:
        await work
        return True

    if await or_gone(request, wait()) is None:
        return Response(status_code=499)
    answers = [item.answer(len(item.decode_request.ids), item.decode_request.finish) for item in items]
    return JSONResponse(answers if many else answers[0])


@dataclass
class Single:
    """One prompt's part of a request body."""

    text: str | None
    input_ids: list[int] | None
    images: list[str]
    sampling: dict[str, Any]
    rid: str | None
    prompt_ids: bool


def _split(body: GenerateRequest) -> tuple[list[Single], bool]:
    texts, ids = body.text, body.input_ids
    if ids is not None and not ids:
        raise bad_request("input_ids cannot be empty.")
    many_ids = ids is not None and isinstance(ids[0], list)
    if not isinstance(texts, list) and not (texts is None and many_ids):
        images = body.image_data
        # A single prompt's images may come as one reference, as a list, or as a list inside a list.
        flat = [images] if isinstance(images, str) else _flat(images or [])
        _check_lengths(body, 1, images_too=False)
        single_ids = [token for token in ids or [] if isinstance(token, int)] if ids is not None else None
        return [Single(texts, single_ids, flat, _sampling(body, 0), _rid(body, 0), body.return_prompt_token_ids)], False
    count = len(texts) if isinstance(texts, list) else len(ids or ())
    if count == 0:
        raise bad_request("Either text, input_ids or input_embeds should be provided.")
    if texts is not None and ids is not None:
        raise bad_request("Several prompts come as text or as input_ids, not as both.")
    _check_lengths(body, count, images_too=True)
    out = []
    for i in range(count):
        row = ids[i] if ids is not None else None
        images = body.image_data[i] if isinstance(body.image_data, list) else body.image_data or []
        out.append(
            Single(
                texts[i] if isinstance(texts, list) else None,
                row if isinstance(row, list) else None,
                [images] if isinstance(images, str) else list(images),
                _sampling(body, i),
                _rid(body, i),
                body.return_prompt_token_ids,
            )
        )
    return out, True


def _flat(images: list[str] | list[list[str]]) -> list[str]:
    return [one for entry in images for one in ([entry] if isinstance(entry, str) else entry)]


def _check_lengths(body: GenerateRequest, count: int, images_too: bool) -> None:
    """Refuses per-prompt lists that do not match the prompts; the rest of a longer one would have no effect."""
    lists: dict[str, object] = {"sampling_params": body.sampling_params, "rid": body.rid}
    if images_too:
        lists["image_data"] = body.image_data
        if isinstance(body.image_data, str) and count > 1:
            raise bad_request(f"image_data is one image for {count} prompts; send a list with an entry per prompt.")
    for name, value in lists.items():
        if isinstance(value, list) and len(value) != count:
            raise bad_request(f"{name} has {len(value)} entries for {count} prompts; send one per prompt.")


def _sampling(body: GenerateRequest, index: int) -> dict[str, Any]:
    params = body.sampling_params
    return params[index] if isinstance(params, list) else params or {}


def _rid(body: GenerateRequest, index: int) -> str | None:
    return body.rid[index] if isinstance(body.rid, list) else body.rid


def _want_states(items: list[Item], body: GenerateRequest) -> None:
    """States are returned for prompts only, in one piece."""
    if body.stream or body.return_hidden_states is not True:
        raise bad_request("This server returns hidden states in full and without streaming; send true, and no stream.")
    for item in items:
        if item.decode_request.max_new_tokens > 1:
            raise bad_request("This server returns the hidden states of prompts only; send max_new_tokens 1.")
        item.decode_request.wants_states = True


async def _item(context: Context, single: Single, started: float) -> Item:
    try:
        ending = generate_ending(single.sampling)
    except ValidationError as error:
        raise invalid(error) from error
    prompt = await context.in_worker(lambda: context.preparer.generate(single.text, single.input_ids, single.images))
    decode_request, text = context.new_request(prompt, ending)
    return Item(context, decode_request, text, single.rid or uuid.uuid4().hex, started, single.prompt_ids)


async def _stream(item: Item) -> AsyncIterator[str]:
    try:
        async for count, finish in item.context.engine.stream(item.decode_request):
            if finish is not None and finish.type == "abort":
                raise ApiError(500, f"Internal server error: {finish.message}")
            yield event(item.answer(count, finish))
    except ApiError as error:
        yield event({"error": {"message": error.message}})
    yield DONE
