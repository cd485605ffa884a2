"""The thread that decodes, and the bridge from asyncio to it."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import torch

from ..decode.request import DecodeRequest, Finish
from ..decode.scheduler import Scheduler
from .errors import ApiError

log = logging.getLogger("draftsmith.serve")


class Engine:
    """Owns the scheduler; only its thread touches the model."""

    def __init__(self, scheduler: Scheduler, max_queue: int, threads: int) -> None:
        self._scheduler = scheduler
        self._max_queue = max_queue
        self._threads = threads
        self._inbox: queue.SimpleQueue[DecodeRequest | Callable[[], None] | None] = queue.SimpleQueue()
        self._open = 0  # requests submitted and not finished; changed only from the event loop
        self._thread = threading.Thread(target=self._work, name="decode", daemon=True)

    @property
    def open_requests(self) -> int:
        """Requests running or waiting."""
        return self._open

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the current step; running requests end as aborted."""
        self._inbox.put(None)
        self._thread.join(timeout=10)

    async def flush(self) -> None:
        """Forgets cached prefixes and image features."""
        await self._call(self._scheduler.clear_prefixes)

    async def _call(self, work: Callable[[], None]) -> None:
        """Runs something between two steps, in the decoding thread."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def run() -> None:
            work()
            loop.call_soon_threadsafe(done.set_result, None)

        self._inbox.put(run)
        await done

    async def stream(self, decode_request: DecodeRequest) -> AsyncIterator[tuple[int, Finish | None]]:
        """Submits a request and yields (tokens so far, finish) after every step; leaving the iterator cancels it.

        Raises:
            ApiError: 503 when too many requests wait.
        """
        loop = asyncio.get_running_loop()
        steps: asyncio.Queue[tuple[int, Finish | None]] = asyncio.Queue()

        def report(at: DecodeRequest) -> None:
            loop.call_soon_threadsafe(steps.put_nowait, (len(at.ids), at.finish))

        with self._submitted(decode_request, report):
            finish: Finish | None = None
            while finish is None:
                count, finish = await steps.get()
                yield count, finish

    async def run(self, decode_request: DecodeRequest) -> DecodeRequest:
        """Submits a request and waits for its end; cancelling the caller cancels the request.

        Raises:
            ApiError: when the queue is full or decoding failed.
        """
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def report(at: DecodeRequest) -> None:
            # Only the end: waking the event loop for every token would cost the decoding thread its core.
            if at.finish is not None:
                loop.call_soon_threadsafe(ended.set)

        with self._submitted(decode_request, report):
            await ended.wait()
        if decode_request.finish is not None and decode_request.finish.type == "abort":
            raise ApiError(500, f"Internal server error: {decode_request.finish.message}", "InternalServerError")
        return decode_request

    @contextmanager
    def _submitted(self, decode_request: DecodeRequest, report: Callable[[DecodeRequest], None]) -> Iterator[None]:
        """Submits a request, counts it as open, and cancels it when it is left before its end."""
        if self._open >= self._max_queue:
            raise ApiError(503, "The request queue is full.", "ServiceUnavailable")
        decode_request.on_tokens = report
        self._open += 1
        self._inbox.put(decode_request)
        try:
            yield
        finally:
            self._open -= 1
            if decode_request.finish is None:
                decode_request.cancelled = True

    def _work(self) -> None:
        torch.set_num_threads(self._threads)
        while True:
            if not self._take(block=not self._scheduler.busy):
                self._scheduler.abort_all("The server is stopping.")
                return
            try:
                self._scheduler.step()
            except Exception as error:
                # One bad request must not end the server; every request of its batch gets the error.
                log.exception("decoding failed")
                self._scheduler.abort_all(f"{type(error).__name__}: {error}")

    def _take(self, block: bool) -> bool:
        """Empties the inbox; False when told to stop."""
        while True:
            try:
                item = self._inbox.get(block=block)
            except queue.Empty:
                return True
            block = False
            if item is None:
                return False
            if isinstance(item, DecodeRequest):
                self._scheduler.submit(item)
            else:
                item()
