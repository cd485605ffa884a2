"""The ASGI application: routes, and the parts behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..decode.scheduler import Scheduler
from .checkpoint import Checkpoint
from .context import Context
from .engine import Engine
from .images import ImageReader
from .prepare import Preparer
from .render import Renderer
from .routes.chat import chat_completions
from .routes.generate import generate
from .routes.info import empty, flush_cache, loads, model, model_info, models, root, server_info
from .routes.tokens import detokenize, tokenize
from .settings import Settings

ROUTES = [
    Route("/", root),
    *(Route(path, empty) for path in ("/health", "/ready", "/health_generate", "/ping")),
    Route("/v1/chat/completions", chat_completions, methods=["POST"]),
    Route("/generate", generate, methods=["POST", "PUT"]),
    *(Route(path, tokenize, methods=["POST"]) for path in ("/tokenize", "/v1/tokenize")),
    *(Route(path, detokenize, methods=["POST"]) for path in ("/detokenize", "/v1/detokenize")),
    Route("/v1/models", models),
    Route("/v1/models/{name:path}", model),
    *(Route(path, model_info) for path in ("/model_info", "/get_model_info")),
    *(Route(path, server_info) for path in ("/server_info", "/get_server_info")),
    Route("/v1/loads", loads),
    Route("/flush_cache", flush_cache, methods=["GET", "POST"]),
]


def make_context(settings: Settings, checkpoint: Checkpoint) -> Context:
    """Builds the parts; the engine is not started yet."""
    renderer = Renderer(checkpoint.tokenizer)
    images = ImageReader(checkpoint.image_processor, settings)
    scheduler = Scheduler(
        checkpoint.target,
        settings.max_batch,
        checkpoint.drafting,
        settings.prefix_cache_bytes,
        settings.state_layers,
    )
    return Context(
        settings=settings,
        checkpoint=checkpoint,
        renderer=renderer,
        images=images,
        preparer=Preparer(checkpoint, renderer, images),
        engine=Engine(scheduler, settings.max_queue, settings.torch_threads),
        # Each worker runs the vision tower with as many torch threads as decoding, hence no more workers than that.
        workers=ThreadPoolExecutor(min(4, settings.torch_threads), thread_name_prefix="prepare"),
    )


def make_app(context: Context) -> Starlette:
    """The application; its lifespan starts and stops the engine."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        context.engine.start()
        try:
            yield
        finally:
            context.engine.stop()
            context.workers.shutdown(wait=False, cancel_futures=True)

    app = Starlette(routes=ROUTES, lifespan=lifespan, exception_handlers={HTTPException: _http_error})
    app.state.context = context
    return app


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, status_code=error.status_code, headers=error.headers)
