"""What a server is started with."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Options of the server; the command line makes one of these.

    Attributes:
        model: checkpoint directory.
        draft: draft directory; given, decoding is speculative.
        host, port: where to listen; port 0 takes a free one.
        served_model_name: the name in /v1/models, else the model path as given.
        max_batch: most sequences decoded at a time.
        dtype: torch type of the target and the draft.
        device: torch device.
        threads: torch threads for decoding; see ``torch_threads``.
        context_length: most tokens of prompt and answer, else the model's max_position_embeddings.
        prefix_cache_bytes: memory for states of finished sequences, kept for later turns; 0 turns it off.
        max_queue: requests that may wait; more get a 503.
        max_body_bytes, max_image_pixels: limits on what a client may send.
        image_roots: directories below which file:// and absolute paths may be read.
        remote_images: whether http(s) images may be fetched.
        tool_call_parser: ``qwen25`` or None, as SGLang's flag.
        reasoning_parser: ``qwen3`` or None, as SGLang's flag.
        state_layers: layers whose outputs /generate returns for prompts, if a request wants them; none with a draft.
        drain_seconds: how long running requests may take after a stop signal.
        launch_command: the arguments, for /server_info.
    """

    model: Path
    draft: Path | None = None
    host: str = "127.0.0.1"
    port: int = 30000
    served_model_name: str | None = None
    max_batch: int = 16
    dtype: str = "float32"
    device: str = "cpu"
    threads: int | None = None
    context_length: int | None = None
    prefix_cache_bytes: int = 512 << 20
    max_queue: int = 4096
    max_body_bytes: int = 64 << 20
    max_image_pixels: int = 64_000_000
    image_roots: tuple[Path, ...] = field(default=())
    remote_images: bool = False
    tool_call_parser: str | None = None
    reasoning_parser: str | None = None
    state_layers: tuple[int, ...] = ()
    drain_seconds: int = 30
    launch_command: str = ""

    @property
    def torch_threads(self) -> int:
        """``threads``, else what OMP_NUM_THREADS says, else half of the cores.

        The other half encodes images for the next prompts and belongs to the client. More threads than free cores make
        a small model several times slower, because every operation then waits for a thread that is not running.
        """
        if self.threads:
            return self.threads
        named = os.environ.get("OMP_NUM_THREADS", "")
        if named.isdigit() and int(named) > 0:
            return int(named)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, cores // 2)

    @property
    def model_name(self) -> str:
        """The name that /v1/models gives."""
        return self.served_model_name or str(self.model)
