"""State shared by all routes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from ..decode.prompt import Prompt
from ..decode.request import DecodeRequest
from .checkpoint import Checkpoint
from .engine import Engine
from .errors import ApiError, InvalidBodyError, invalid, not_json
from .images import ImageReader
from .prepare import Preparer
from .render import Renderer
from .sampling import Ending, fit
from .settings import Settings
from .strict_json import StrictJsonError, loads
from .text import TextOf

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


@dataclass
class Context:
    """The server's parts.

    Attributes:
        workers: threads for templates and images; few, because decoding needs the cores.
        started: wall clock at start, which model lists carry as ``created``.
    """

    settings: Settings
    checkpoint: Checkpoint
    renderer: Renderer
    images: ImageReader
    preparer: Preparer
    engine: Engine
    workers: ThreadPoolExecutor
    started: int = field(default_factory=lambda: int(time.time()))

    @property
    def merge_size(self) -> int:
        """Of the vision tower."""
        size: int = self.checkpoint.target.config.vision_config.spatial_merge_size
        return size

    async def in_worker(self, work: Callable[[], T]) -> T:
        """Runs slow work off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.workers, work)

    def new_request(self, prompt: Prompt, ending: Ending) -> tuple[DecodeRequest, TextOf]:
        """A request for a prompt, and what turns its ids into text.

        Raises:
            ApiError: when it does not fit the context.
        """
        limit = fit(ending, len(prompt), self.checkpoint.context)
        stop_ids = ending.stop_ids | (frozenset() if ending.ignore_eos else self.checkpoint.stop_ids)
        text = TextOf(self.checkpoint.tokenizer, ending)
        return DecodeRequest(prompt, limit, stop_ids, text.find_stop if ending.stop_strings else None), text


def context_of(request: Request) -> Context:
    """The server's parts, from a request."""
    context: Context = request.app.state.context
    return context


async def body_of(request: Request, model: type[M]) -> M:
    """Reads, limits and checks a JSON body.

    Raises:
        ApiError: 400 in SGLang's words, or 413 for a body that is too large.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InvalidBodyError(
            "1 validation error:\n  {'loc': ['header', 'content-type'], 'msg': \"Unsupported Media Type: Only "
            "'application/json' is allowed\", 'type': 'value_error'}"
        )
    limit = context_of(request).settings.max_body_bytes
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise ApiError(413, f"The request body has more than {limit} bytes.", "PayloadTooLarge")
        parts.append(part)
    raw = b"".join(parts)
    if not raw:
        raise InvalidBodyError("1 validation error:\n  {'type': 'missing', 'loc': ('body',), 'msg': 'Field required'}")
    try:
        data: Any = loads(raw, repeated_keys=False)
    except StrictJsonError as error:
        raise not_json(str(error), error.path) from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise invalid(error) from error
