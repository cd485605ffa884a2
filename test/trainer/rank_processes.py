"""Runs functions on several ranks that are joined by gloo, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from typing import Any

from job_runner import free_port

_CONTEXT = multiprocessing.get_context("forkserver")


def start_ranks(function: Callable[..., Any], world: int, *arguments: Any) -> list[Any]:
    """Starts ``function(rank, *arguments)`` on every rank; (process, connection) of each.

    ``function`` must be importable by name. A connection gives what it returned, or its traceback as a string.
    """
    port, started = str(free_port()), []
    for rank in range(world):
        mine, theirs = _CONTEXT.Pipe(duplex=False)
        variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(world)}
        variables |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        process = _CONTEXT.Process(target=_call, args=(theirs, variables, function, rank, arguments))
        process.start()
        theirs.close()
        started.append((process, mine))
    return started


def on_ranks(function: Callable[..., Any], world: int, *arguments: Any) -> list[Any]:
    """What ``function(rank, *arguments)`` returned on every rank."""
    results = []
    for process, connection in start_ranks(function, world, *arguments):
        assert connection.poll(200), "a rank did not end in 200 s"
        good, value = connection.recv()
        assert good, value
        process.join()
        results.append(value)
    return results


def _call(connection: Any, variables: dict[str, str], function: Callable[..., Any], rank: int, arguments: Any) -> None:
    os.environ.update(variables)
    try:
        connection.send((True, function(rank, *arguments)))
    except BaseException:
        connection.send((False, traceback.format_exc()))
