"""POST /v1/chat/completions."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ...decode.request import DecodeRequest, Finish
from ..answers import meta_info, metadata, usage
from ..context import Context, body_of, context_of
from ..disconnect import or_gone
from ..errors import ApiError, answering, openai_body, openai_error
from ..parsers import END_THINK, Parsed, split_reasoning, split_tool_calls
from ..protocol import ChatRequest
from ..sampling import chat_ending
from ..sse import DONE, event
from ..text import TextOf


@dataclass
class Chat:
    """One chat request on its way."""

    context: Context
    request: ChatRequest
    decode_request: DecodeRequest
    text: TextOf
    rid: str
    started: float
    created: int
    ext: tuple[bool, bool]

    def parsed(self, text: str) -> Parsed:
        """Applies the server's parsers."""
        settings = self.context.settings
        reasoning: str | None = None
        if settings.reasoning_parser and self.request.separate_reasoning:
            reasoning, text = split_reasoning(text, self._prompt_thinks())
        content: str | None = text
        calls = None
        if settings.tool_call_parser and self.request.tools and self.request.tool_choice != "none":
            content, calls = split_tool_calls(text)
        return Parsed(content, reasoning, calls)

    def reasoning_tokens(self, ids: list[int]) -> int:
        """Tokens up to and including the end of thinking."""
        if not self.context.settings.reasoning_parser:
            return 0
        end = self.context.checkpoint.tokenizer.convert_tokens_to_ids(END_THINK)
        return ids.index(end) + 1 if end in ids else 0

    def sglext(self) -> dict[str, Any]:
        """Ids at the top level, asked for by headers."""
        out: dict[str, Any] = {}
        if self.ext[0]:
            out["input_ids"] = self.decode_request.prompt.ids
        if self.ext[1]:
            out["output_ids"] = [self.decode_request.ids]
        return {"sglext": out} if out else {}

    def head(self, kind: str) -> dict[str, Any]:
        """What answers and chunks begin with."""
        return {"id": self.rid, "object": kind, "created": self.created, "model": self.request.model}

    def _prompt_thinks(self) -> bool:
        tail = self.context.checkpoint.tokenizer.decode(self.decode_request.prompt.ids[-4:])
        return str(tail).rstrip().endswith("<think>")


@answering(openai_error)
async def chat_completions(request: Request) -> Response:
    """Answers whole or as a stream."""
    started = time.perf_counter()
    body = await body_of(request, ChatRequest)
    _check(body)
    ending = chat_ending(body)
    context = context_of(request)
    prompt = await context.in_worker(lambda: context.preparer.chat(body))
    decode_request, text = context.new_request(prompt, ending)
    ext = tuple(request.headers.get(f"x-sglext-return-{name}-ids") == "1" for name in ("input", "output"))
    chat = Chat(
        context,
        body,
        decode_request,
        text,
        body.rid or uuid.uuid4().hex,
        started,
        int(time.time()),
        (ext[0], ext[1]),
    )
    if body.stream:
        return StreamingResponse(_stream(chat), media_type="text/event-stream")
    if await or_gone(request, context.engine.run(decode_request)) is None:
        return Response(status_code=499)
    return JSONResponse(_whole(chat))


def _check(body: ChatRequest) -> None:
    for name in ("return_prompt_token_ids", "return_token_ids", "return_meta_info"):
        if body.stream and getattr(body, name):
            where = " on /v1/chat/completions" if name == "return_token_ids" else ""
            raise ApiError(
                400,
                f"{name} is not supported with streaming{where}. Please set stream=false when using {name}=true.",
                "BadRequest",
            )
    if body.return_hidden_states:
        raise ApiError(
            400,
            "The server is not configured to return hidden states. Please set `--return-hidden-states-mode last`, "
            "`--return-hidden-states-mode full`, or the legacy `--enable-return-hidden-states` flag.",
        )
    if body.tool_choice not in (None, "none", "auto"):
        raise ApiError(
            400,
            f"tool_choice {body.tool_choice!r} needs constrained decoding, which this server does not have. "
            "Send auto or none.",
        )


def _whole(chat: Chat) -> dict[str, Any]:
    decode_request, body = chat.decode_request, chat.request
    finish = decode_request.finish
    assert finish is not None
    count = len(decode_request.ids)
    parsed = chat.parsed(chat.text.whole(decode_request.ids, finish.matched))
    message: dict[str, Any] = {"role": "assistant", "content": parsed.content, "reasoning_content": parsed.reasoning}
    if parsed.tool_calls:
        message["tool_calls"] = parsed.tool_calls
    choice: dict[str, Any] = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": "tool_calls" if parsed.tool_calls and finish.type == "stop" else finish.type,
        "matched_stop": finish.matched,
    }
    reasoning = chat.reasoning_tokens(decode_request.ids)
    merge = chat.context.merge_size
    if body.return_prompt_token_ids or body.return_token_ids:
        choice["prompt_token_ids"] = decode_request.prompt.ids
    if body.return_token_ids:
        choice["response_token_ids"] = decode_request.ids
    if body.return_meta_info:
        choice["meta_info"] = meta_info(decode_request, chat.rid, merge, chat.started, count, finish, reasoning)
    return {
        **chat.head("chat.completion"),
        "choices": [choice],
        "usage": usage(decode_request, merge, count, reasoning),
        "metadata": metadata(count),
        **chat.sglext(),
    }


async def _stream(chat: Chat) -> AsyncIterator[str]:
    """Chunks as SGLang sends them: the role, pieces of text, the finish reason, usage when asked."""

    def chunk(delta: dict[str, Any], finish: Finish | None = None, reason: str | None = None) -> str:
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": None,
            "finish_reason": reason,
            "matched_stop": finish.matched if finish else None,
        }
        return event({**chat.head("chat.completion.chunk"), "choices": [choice]})

    sent, sent_reasoning, begun = "", "", False
    try:
        async for count, finish in chat.context.engine.stream(chat.decode_request):
            if finish is not None and finish.type == "abort":
                raise ApiError(500, f"Internal server error: {finish.message}", "InternalServerError")
            ids = chat.decode_request.ids[:count]
            if not begun:
                begun = True
                yield chunk({"reasoning_content": None, "role": "assistant", "content": ""})
            parsed = chat.parsed(chat.text.whole(ids, finish.matched) if finish else chat.text.growing(ids))
            tools_open = chat.context.settings.tool_call_parser and chat.request.tools and finish is None
            reasoning, content = parsed.reasoning or "", parsed.content or ""
            if len(reasoning) > len(sent_reasoning):
                yield chunk({"reasoning_content": reasoning[len(sent_reasoning) :]})
                sent_reasoning = reasoning
            # A call can only be told from text at its end: with tools, text is sent in one piece.
            if len(content) > len(sent) and not tools_open:
                yield chunk({"reasoning_content": None, "content": content[len(sent) :]})
                sent = content
            if finish is not None:
                if parsed.tool_calls:
                    yield chunk({"reasoning_content": None, "tool_calls": parsed.tool_calls})
                reason = "tool_calls" if parsed.tool_calls and finish.type == "stop" else finish.type
                yield chunk({"reasoning_content": None}, finish, reason)
    except ApiError as error:
        yield event({"error": openai_body(error)})
        yield DONE
        return
    merge = chat.context.merge_size
    if chat.request.stream_options and chat.request.stream_options.include_usage:
        counts = usage(
            chat.decode_request, merge, len(chat.decode_request.ids), chat.reasoning_tokens(chat.decode_request.ids)
        )
        yield event({**chat.head("chat.completion.chunk"), "choices": [], "usage": counts})
    if chat.sglext():
        yield event({**chat.head("chat.completion.chunk"), "choices": [], **chat.sglext()})
    yield DONE
