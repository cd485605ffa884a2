"""SGLang's error bodies. It has four forms, and clients must be able to parse each."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

log = logging.getLogger("draftsmith.serve")

#: Of a body with thousands of mistakes, the first few tell enough.
MOST_FINDINGS = 10

Handler = Callable[[Request], Awaitable[Response]]


class ApiError(Exception):
    """A refusal of a request.

    Attributes:
        status: HTTP status.
        message: one sentence.
        type: SGLang's word for it in the OpenAI form.
    """

    def __init__(self, status: int, message: str, type_: str = "BadRequestError") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type_


class InvalidBodyError(ApiError):
    """The body does not fit the schema; SGLang answers in the OpenAI form everywhere, /generate included."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message, "Bad Request")


class UnknownSamplingKeyError(ApiError):
    """An unknown key in /generate's sampling_params, which has a form of its own."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)


def bad_request(message: str) -> ApiError:
    """A 400 of the server's own checks."""
    return ApiError(400, message)


def unsupported(field: str, value: Any, instead: str) -> ApiError:
    """A 400 for a field that this server does not have; ``instead`` says what to do."""
    return ApiError(400, f"This reference server does not support {field} = {_shown(value)}. {instead}")


def not_greedy(field: str, value: Any, instead: str) -> ApiError:
    """A 400 for a request that only a server with sampling, constraints or probabilities can answer."""
    return ApiError(
        400,
        f"This reference server decodes greedily only, without constraints and without probabilities: "
        f"{field} = {_shown(value)} is not supported. {instead}",
    )


def not_json(problem: str, path: tuple[str | int, ...] = ()) -> InvalidBodyError:
    """A 400 for a body that is not JSON, in the form of SGLang's."""
    found = {
        "type": "json_invalid",
        "loc": ("body", *path),
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": problem},
    }
    return InvalidBodyError(f"1 validation error:\n  {found}")


def invalid(error: ValidationError) -> InvalidBodyError:
    """pydantic's findings in the form that SGLang uses (without its traceback line), at most ``MOST_FINDINGS``."""
    found = [
        {"type": e["type"], "loc": ("body", *e["loc"]), "msg": e["msg"], "input": _short(e["input"])}
        for e in error.errors(include_url=False)
    ]
    count = f"{len(found)} validation error{'s' if len(found) > 1 else ''}"
    lines = [f"  {one}" for one in found[:MOST_FINDINGS]]
    if len(found) > MOST_FINDINGS:
        lines.append(f"  ... and {len(found) - MOST_FINDINGS} more")
    return InvalidBodyError(f"{count}:\n" + "\n".join(lines))


def answering(form: Callable[[ApiError], Response]) -> Callable[[Handler], Handler]:
    """Gives a route its form of error body, for refusals and for failures that nobody foresaw."""

    def wrap(handler: Handler) -> Handler:
        @wraps(handler)
        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except ApiError as error:
                return form(error)
            except ClientDisconnect:
                return Response(status_code=499)
            except Exception as error:
                log.exception("%s failed", request.url.path)
                message = f"Internal server error: {type(error).__name__}: {error}"
                return form(ApiError(500, printable(message), "InternalServerError"))

        return handle

    return wrap


def openai_body(error: ApiError) -> dict[str, Any]:
    """The form of /v1/*, /tokenize and /detokenize. SGLang leaves ``param`` null and does not nest it in ``error``."""
    return {"object": "error", "message": error.message, "type": error.type, "param": None, "code": error.status}


def openai_error(error: ApiError) -> Response:
    """``openai_body`` as a response."""
    return JSONResponse(openai_body(error), status_code=error.status)


def generate_error(error: ApiError) -> Response:
    """The form of /generate, which depends on who refused."""
    if isinstance(error, InvalidBodyError):
        return openai_error(error)
    if isinstance(error, UnknownSamplingKeyError):
        return JSONResponse({"error": error.message}, status_code=error.status)
    return JSONResponse({"error": {"message": error.message}}, status_code=error.status)


def _short(value: Any) -> Any:
    # A base64 image in an error message helps nobody.
    text = str(value)
    return value if len(text) <= 200 else text[:200] + "..."


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."


def printable(text: str) -> str:
    """A text whose lone surrogates are escaped, so that it can be sent."""
    return text.encode("utf-8", "backslashreplace").decode()
