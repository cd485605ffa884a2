"""SGLang's error bodies. It has four forms, and clients must be able to parse each."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from starlette.responses import JSONResponse, Response


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


def not_greedy(field: str, value: Any) -> ApiError:
    """A 400 for a request that only a sampling server can serve."""
    return ApiError(400, f"This reference server decodes greedily only: {field} = {value!r} is not supported.")


def invalid(error: ValidationError) -> InvalidBodyError:
    """pydantic's findings in the words that SGLang uses (without its traceback line)."""
    found = [
        {"type": e["type"], "loc": ("body", *e["loc"]), "msg": e["msg"], "input": _short(e["input"])}
        for e in error.errors(include_url=False)
    ]
    count = f"{len(found)} validation error{'s' if len(found) > 1 else ''}"
    return InvalidBodyError(f"{count}:\n" + "\n".join(f"  {one}" for one in found))


def openai_error(error: ApiError) -> Response:
    """The form of /v1/*, /tokenize and /detokenize."""
    body = {"object": "error", "message": error.message, "type": error.type, "param": None, "code": error.status}
    return JSONResponse(body, status_code=error.status)


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
