"""The command line: options, start, the ready line, and an orderly end."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.base.versions import check_transformers

from .settings import Settings


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def parser() -> argparse.ArgumentParser:
    """All options."""
    p = argparse.ArgumentParser(
        prog="draftsmith_trainer serve",
        description="Serves a Qwen vision-language checkpoint with SGLang's HTTP contract, greedily and exactly.",
    )
    p.add_argument("--model", type=Path, required=True, help="checkpoint directory")
    p.add_argument("--draft", type=Path, help="DFlash draft directory: decode speculatively, same ids")
    p.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    p.add_argument("--port", type=int, default=30000, help="port to listen on; 0 takes a free one")
    p.add_argument("--served-model-name", help="name in /v1/models (default: the model path)")
    p.add_argument("--max-batch", type=_positive, default=16, help="most sequences decoded at a time")
    p.add_argument("--dtype", default="float32", help="float32 (exact), bfloat16, float16")
    p.add_argument("--device", default="cpu", help="torch device")
    p.add_argument("--threads", type=_positive, help="torch threads (default: half of the cores)")
    p.add_argument("--context-length", type=_positive, help="most tokens of prompt and answer (default: the model's)")
    p.add_argument("--prefix-cache-mb", type=int, default=512, help="memory for conversations' states; 0: none")
    p.add_argument("--max-queue", type=_positive, default=4096, help="requests that may wait before a 503")
    p.add_argument("--max-body-mb", type=int, default=64, help="largest request body")
    p.add_argument("--max-image-pixels", type=int, default=64_000_000, help="largest image")
    p.add_argument(
        "--image-root", type=Path, action="append", default=[], help="allow image files below this directory"
    )
    p.add_argument("--remote-images", action="store_true", help="allow http(s) images")
    p.add_argument("--tool-call-parser", choices=["qwen25"], help="turn <tool_call> blocks into tool_calls")
    p.add_argument("--reasoning-parser", choices=["qwen3"], help="separate <think> text into reasoning_content")
    p.add_argument(
        "--hidden-states",
        type=int,
        nargs="+",
        default=[],
        metavar="LAYER",
        help="let /generate return the outputs of these layers for prompts; turns the prefix cache off",
    )
    p.add_argument("--drain-seconds", type=int, default=30, help="how long running requests may take after SIGTERM")
    return p


def settings_from(argv: list[str]) -> Settings:
    """Options as settings."""
    a = parser().parse_args(argv)
    return Settings(
        model=a.model,
        draft=a.draft,
        host=a.host,
        port=a.port,
        served_model_name=a.served_model_name,
        max_batch=a.max_batch,
        dtype=a.dtype,
        device=a.device,
        threads=a.threads,
        context_length=a.context_length,
        # Rows that come from the cache have no states.
        prefix_cache_bytes=0 if a.hidden_states else a.prefix_cache_mb << 20,
        max_queue=a.max_queue,
        max_body_bytes=a.max_body_mb << 20,
        max_image_pixels=a.max_image_pixels,
        image_roots=tuple(a.image_root),
        remote_images=a.remote_images,
        tool_call_parser=a.tool_call_parser,
        reasoning_parser=a.reasoning_parser,
        state_layers=tuple(a.hidden_states),
        drain_seconds=a.drain_seconds,
        launch_command=shlex.join(argv),
    )


def run(argv: list[str]) -> int:
    """Serves until SIGINT or SIGTERM; 0 after an orderly end, 2 for a user's mistake."""
    settings = settings_from(argv)
    try:
        check_transformers()
        # Heavy imports only after the options are known to be right.
        import uvicorn

        from .app import make_app, make_context
        from .checkpoint import load

        # A worker thread that holds the interpreter delays every small operation of the decoding thread by this much.
        sys.setswitchinterval(0.0005)
        listener = _listen(settings)
        context = make_context(settings, load(settings))
    except UserError as error:
        Events().error(error)
        print(f"draftsmith_trainer serve: {error.message}", file=sys.stderr)
        return 2

    class Server(uvicorn.Server):  # type: ignore[misc]  # uvicorn counts as untyped
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            host, port = listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            print(json.dumps({"type": "ready", "url": f"http://{shown}:{port}"}), flush=True)

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            # uvicorn's own raises the signal again after draining, which would end an orderly stop with a failure.
            before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for sig, handler in before.items():
                    signal.signal(sig, handler)

    config = uvicorn.Config(
        make_app(context),
        log_level="warning",
        access_log=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    Server(config).run(sockets=[listener])
    return 0


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        raise UserError("port-taken", f"cannot listen on {settings.host}:{settings.port}: {error}") from error
    return listener
