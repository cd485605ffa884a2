"""The embedded target behind the server's parts, in this process and as a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from reference_server.serve.app import make_app, make_context
from reference_server.serve.checkpoint import Checkpoint, load
from reference_server.serve.settings import Settings

# Tests are imported by path, so that what they share has to be put on the path.
sys.path.insert(0, str(Path(__file__).parent))

from serve_kit import MODEL, Live, Local, start

T = TypeVar("T")


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(model=MODEL, max_batch=4, served_model_name="tiny-gui")


@pytest.fixture(scope="session")
def checkpoint(settings: Settings) -> Checkpoint:
    return load(settings)


@pytest.fixture
def serve(settings: Settings, checkpoint: Checkpoint) -> Callable[..., T]:
    """Runs ``test(local)`` against a fresh server; keyword arguments change its settings."""

    def run(test: Callable[[Local], Awaitable[T]], **changes: Any) -> T:
        async def main() -> T:
            context = make_context(replace(settings, **changes), checkpoint)
            app = make_app(context)
            transport = httpx.ASGITransport(app=app)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url="http://server", timeout=120) as client,
            ):
                return await test(Local(context, client))

        return asyncio.run(main())

    return run


@pytest.fixture(scope="module")
def ask(settings: Settings, checkpoint: Checkpoint) -> Iterator[Callable[[str, Any], httpx.Response]]:
    """Posts a body to a server without a socket and returns the response; one server for all tests of this file."""
    loop = asyncio.new_event_loop()
    context = make_context(settings, checkpoint)
    app = make_app(context)
    lifespan = app.router.lifespan_context(app)
    loop.run_until_complete(lifespan.__aenter__())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://server", timeout=120)

    def post(path: str, body: Any) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        return loop.run_until_complete(client.post(path, content=content, headers=headers))

    yield post
    loop.run_until_complete(client.aclose())
    loop.run_until_complete(lifespan.__aexit__(None, None, None))
    loop.close()


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    process = start("--model", str(MODEL), "--port", "0", "--served-model-name", "tiny-gui", "--drain-seconds", "60")
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    assert line["type"] == "ready"
    server = Live(process, line["url"])
    yield server
    server.stop()
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()
