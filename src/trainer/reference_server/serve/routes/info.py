"""What a server says about itself, and /flush_cache."""

from __future__ import annotations

import time
from typing import Any

from draftsmith_trainer import __version__
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from ..answers import WEIGHT_VERSION
from ..context import Context, context_of

#: The SGLang whose contract is copied.
CONTRACT_VERSION = "0.5.23"
FLUSH_NOTE = (
    "Please check backend logs for more details. (When there are running or waiting requests, the operation will not "
    "be performed.)\n"
)


async def empty(_request: Request) -> Response:
    """/health, /ready and their like: 200 and nothing else. A server that drains no longer accepts connections."""
    return Response(status_code=200)


async def root(_request: Request) -> Response:
    """A line for people."""
    return JSONResponse("Draftsmith's reference server is running")


async def models(request: Request) -> Response:
    """The one model."""
    return JSONResponse({"object": "list", "data": [_card(context_of(request))]})


async def model(request: Request) -> Response:
    """The model by name, or 404."""
    context, name = context_of(request), request.path_params["name"]
    if name == context.settings.model_name:
        return JSONResponse(_card(context))
    error = {
        "message": f"The model '{name}' does not exist",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
    return JSONResponse({"error": error}, status_code=404)


async def model_info(request: Request) -> Response:
    """What kind of model is served."""
    context = context_of(request)
    config, settings = context.checkpoint.target.config, context.settings
    return JSONResponse(
        {
            "model_path": str(settings.model),
            "served_model_name": settings.model_name,
            "tokenizer_path": str(settings.model),
            "is_generation": True,
            "preferred_sampling_params": None,
            "weight_version": WEIGHT_VERSION,
            "load_format": "auto",
            "reasoning_parser": settings.reasoning_parser,
            "tool_call_parser": settings.tool_call_parser,
            "has_image_understanding": True,
            "has_audio_understanding": False,
            "model_type": config.model_type,
            "architectures": config.architectures or [type(context.checkpoint.target.model).__name__],
        }
    )


async def server_info(request: Request) -> Response:
    """Settings under SGLang's names (those that mean something here), and what this server is."""
    context = context_of(request)
    s, checkpoint = context.settings, context.checkpoint
    block = checkpoint.block_size
    settings: dict[str, Any] = {
        "model_path": str(s.model),
        "tokenizer_path": str(s.model),
        "served_model_name": s.model_name,
        "host": s.host,
        "port": s.port,
        "device": s.device,
        "dtype": s.dtype,
        # The checkpoint is served as it is, and keys and values are kept in the dtype above.
        "quantization": None,
        "kv_cache_dtype": "auto",
        "enable_return_aux_hidden_states": bool(s.state_layers),
        "return_aux_hidden_state_layer_ids": list(s.state_layers) or None,
        "context_length": s.context_length,
        "max_running_requests": s.max_batch,
        "max_queued_requests": s.max_queue,
        "disable_radix_cache": s.prefix_cache_bytes == 0,
        "sampling_defaults": "model",
        "preferred_sampling_params": None,
        "default_chat_template_kwargs": None,
        "allow_auto_truncate": False,
        "chat_template": None,
        "enable_deterministic_inference": False,
        "image_processor_backend": "auto",
        "mm_process_config": {},
        "reasoning_parser": s.reasoning_parser,
        "tool_call_parser": s.tool_call_parser,
        "speculative_algorithm": "DFLASH" if block else None,
        "speculative_draft_model_path": str(s.draft) if s.draft else None,
        "speculative_num_draft_tokens": block,
        "speculative_dflash_block_size": None,
    }
    state = {"effective_max_running_requests_per_dp": s.max_batch, "world_size": 1}
    return JSONResponse(
        {
            **settings,
            "launch_command": s.launch_command,
            "status": "ready",
            "max_total_num_tokens": s.max_batch * checkpoint.context,
            "max_req_input_len": checkpoint.context - 1,
            "internal_states": [{**settings, **state}],
            "version": CONTRACT_VERSION,
            "frontend": "python",
            "implementation": {
                "name": "draftsmith-reference-server",
                "version": __version__,
                # Whether an answer's bits do not depend on the other requests of its batch; then no near-tie can flip.
                "batch_invariant": checkpoint.batch_invariant,
            },
        }
    )


async def flush_cache(request: Request) -> Response:
    """Forgets prefixes and images; refused while requests are running."""
    context = context_of(request)
    if context.engine.open_requests:
        return PlainTextResponse("Cache not flushed: requests are in work.\n" + FLUSH_NOTE, status_code=400)
    context.images.forget()
    await context.engine.flush()
    return PlainTextResponse("Cache flushed.\n" + FLUSH_NOTE)


async def loads(request: Request) -> Response:
    """How busy the server is."""
    context = context_of(request)
    running = min(context.engine.open_requests, context.settings.max_batch)
    load = {
        "timestamp": time.time(),
        "dp_rank": 0,
        "num_running_reqs": running,
        "num_waiting_reqs": context.engine.open_requests - running,
        "max_running_requests": context.settings.max_batch,
    }
    return JSONResponse({"version": CONTRACT_VERSION, "loads": [load]})


def _card(context: Context) -> dict[str, Any]:
    name = context.settings.model_name
    return {
        "id": name,
        "object": "model",
        "created": context.started,
        "owned_by": "sglang",
        "root": name,
        "parent": None,
        "max_model_len": context.checkpoint.context,
    }
