"""POST /tokenize and /detokenize. Ids here are not expanded: one placeholder per image, and no image bytes needed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..context import body_of, context_of
from ..errors import answering, openai_error
from ..protocol import DetokenizeRequest, TokenizeRequest


@answering(openai_error)
async def tokenize(request: Request) -> Response:
    """Ids of a prompt, of several, or of a conversation."""
    body = await body_of(request, TokenizeRequest)
    context = context_of(request)
    renderer, limit = context.renderer, context.checkpoint.context
    if isinstance(body.prompt, list):
        rows = [renderer.text(one, body.add_special_tokens) for one in body.prompt]
        return JSONResponse({"tokens": rows, "count": [len(row) for row in rows], "max_model_len": limit})
    if body.prompt is not None:
        ids = renderer.text(body.prompt, body.add_special_tokens)
    else:
        ids = await context.in_worker(
            lambda: renderer.chat(
                body.messages or [],
                body.tools,
                body.chat_template_kwargs,
                body.add_generation_prompt,
                body.continue_final_message,
            )
        )
    return JSONResponse({"tokens": ids, "count": len(ids), "max_model_len": limit})


@answering(openai_error)
async def detokenize(request: Request) -> Response:
    """Text of ids; ids outside the vocabulary are skipped silently, as in SGLang."""
    body = await body_of(request, DetokenizeRequest)
    context = context_of(request)
    size = len(context.checkpoint.tokenizer)

    def text(ids: list[int]) -> str:
        known = [token for token in ids if 0 <= token < size]
        return str(context.checkpoint.tokenizer.decode(known, skip_special_tokens=body.skip_special_tokens))

    rows = [row for row in body.tokens if isinstance(row, list)]
    if rows:
        return JSONResponse({"text": [text(row) for row in rows]})
    return JSONResponse({"text": text([token for token in body.tokens if isinstance(token, int)])})
