"""Serve a checkpoint with the real SGLang on the CPU, in fp32, on this machine only.

`python launch.py --model DIR --port P [--draft DIR | --hidden-states 3 4 5] [more SGLang arguments]`. This process
becomes the server, so a signal to it reaches SGLang. Unknown arguments are passed on behind ours and therefore win.
"""

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from location import STAND_IN, default_directory, interpreter_in, is_complete

ARGUMENTS = (
    ("--host", "127.0.0.1"),
    ("--device", "cpu"),
    ("--dtype", "float32"),
    ("--attention-backend", "torch_native"),
    ("--disable-cuda-graph",),
    # Small models only: a fixed, small cache instead of a share of the machine's memory.
    ("--max-total-tokens", "8192"),
    ("--mem-fraction-static", "0.3"),
    ("--skip-server-warmup",),
    # An idle scheduler otherwise polls without a pause and takes a whole core.
    ("--sleep-on-idle",),
)
ENVIRONMENT = {
    "SGLANG_USE_CPU_ENGINE": "1",
    # Without this the first request spends most of a minute compiling.
    "TORCHDYNAMO_DISABLE": "1",
    # Threads that spin while they wait make two busy cores several times slower.
    "OMP_WAIT_POLICY": "PASSIVE",
    # Also on a machine with a GPU: this server is for comparing on the CPU.
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def main(arguments: list[str] | None = None) -> NoReturn:
    options, more = parse(arguments)
    directory: Path = (options.dir or default_directory()).resolve()
    if not is_complete(directory):
        sys.exit(f"error: no finished SGLang environment in {directory}; make it with build.py")
    for path in (options.model, options.draft):
        if path is not None and not (path / "config.json").is_file():
            sys.exit(f"error: {path} is not a model directory: it has no config.json")
    if options.stop_with_parent:
        stop_with_parent()
    python = str(interpreter_in(directory))
    command = [python, "-m", "sglang.launch_server", *server_arguments(options), *more]
    os.execve(python, command, server_environment())


def parse(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    # No abbreviations: an argument that is SGLang's own must not be taken for the beginning of one of ours.
    parser = argparse.ArgumentParser(description="Serve with the real SGLang on the CPU.", allow_abbrev=False)
    parser.add_argument("--model", type=Path, required=True, help="model directory")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dir", type=Path, help="the environment (default: where build.py makes it)")
    parser.add_argument("--stop-with-parent", action="store_true", help="end when the process that started it ends")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--draft", type=Path, help="DFlash draft directory: serve with SGLang's DFLASH worker")
    mode.add_argument("--hidden-states", type=int, nargs="+", metavar="LAYER", help="let /generate return these layers")
    return parser.parse_known_args(arguments)


def stop_with_parent() -> None:
    """Ask the kernel for SIGTERM at the parent's death; this outlives the exec, so a killed test leaves no server."""
    pr_set_pdeathsig = 1
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGTERM) != 0:
        sys.exit(f"error: prctl failed: {os.strerror(ctypes.get_errno())}")


def server_arguments(options: argparse.Namespace) -> list[str]:
    flags = ["--model-path", str(options.model.resolve()), "--port", str(options.port)]
    flags += [word for argument in ARGUMENTS for word in argument]
    if options.draft is not None:
        flags += ["--speculative-algorithm", "DFLASH", "--speculative-draft-model-path", str(options.draft.resolve())]
        flags += ["--speculative-draft-attention-backend", "torch_native"]
    if options.hidden_states is not None:
        # No draft is loaded: the algorithm only says how layers are counted. Cached prompt rows would be left out.
        flags += ["--enable-return-aux-hidden-states", "--speculative-algorithm", "EAGLE3", "--disable-radix-cache"]
        flags += ["--return-aux-hidden-state-layer-ids", *map(str, options.hidden_states)]
    return flags


def server_environment() -> dict[str, str]:
    # Nothing inherited: packages of the caller's own environment must not come before those pinned for the server.
    return {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(STAND_IN)}


if __name__ == "__main__":
    main()
