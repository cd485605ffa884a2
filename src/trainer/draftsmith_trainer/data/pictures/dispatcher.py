"""The thread that sends orders to worker processes and receives their answers."""

from __future__ import annotations

import contextlib
import itertools
import selectors
import socket
import threading

import torch
from torch import Tensor

from ...base.errors import UserError
from ..shards import ImageShards
from .memory import Allocator, SharedMemory
from .orders import Order, Orders
from .process import WorkerProcess

#: Orders in flight per worker: the one being decoded and the next, so that a worker never idles.
_HELD = 2


class Dispatcher:
    """Manages the worker processes, the shared memory they write to, and their orders.

    Args:
        size: bytes of shared memory.
    """

    def __init__(self, images: ImageShards, workers: int, size: int) -> None:
        self._images = images
        self._memory = SharedMemory(size)
        self.base: Tensor = torch.frombuffer(self._memory.map, dtype=torch.uint8)
        self._alarm = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._closing = False
        self._tickets = itertools.count()
        self.orders = Orders(Allocator(size), self._wake)
        self.processes: list[WorkerProcess] = []
        for end in self._alarm:
            end.setblocking(False)
        self._selector.register(self._alarm[0], selectors.EVENT_READ)
        try:
            for _ in range(workers):
                process = WorkerProcess(self._memory, images.directory)
                self.processes.append(process)
                self._selector.register(process, selectors.EVENT_READ)
        except BaseException:
            self._end()
            raise
        self._thread = threading.Thread(target=self._serve, name="pictures", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops the thread and the worker processes."""
        self._closing = True
        self._wake()
        self._thread.join()
        self._end()

    def _end(self) -> None:
        for process in self.processes:
            process.ask_to_end()
        for process in self.processes:
            process.end()
        self._selector.close()
        for end in self._alarm:
            end.close()
        self._memory.close()

    def _wake(self) -> None:
        # OSError: the socket is full of unread wake-ups, so one more adds nothing, or it is closed.
        with contextlib.suppress(OSError):
            self._alarm[1].send(b"!")

    def _serve(self) -> None:
        try:
            while not self._closing:
                for key, _ in self._selector.select():
                    if isinstance(key.fileobj, WorkerProcess):
                        self._take(key.fileobj)
                    else:
                        self._alarm[0].recv(1 << 16)
                if not self.orders.failed:
                    self._hand_out()
        except Exception as bug:
            # Without this thread, waiting callers would hang forever.
            self.orders.fail(bug)

    def _take(self, process: WorkerProcess) -> None:
        answers = process.answers()
        if answers is None:
            self._selector.unregister(process)
            self._lose(process)
            return
        for ticket, *error in answers:
            order: Order = process.open.pop(ticket)
            if error:
                self.orders.finish(order, None, UserError(*error) if error[0] is not None else RuntimeError(error[1]))
            else:
                assert order.offset is not None and order.size is not None
                pixels = self.base[order.offset : order.offset + order.bytes]
                self.orders.finish(order, pixels.view(*order.size, 3))

    def _hand_out(self) -> None:
        while True:
            process = min(self.processes, key=lambda one: len(one.open))
            order = self.orders.place(self._images.size) if len(process.open) < _HELD else None
            if order is None:
                return
            ticket = next(self._tickets)
            process.open[ticket] = order
            try:
                process.send([ticket, order.name, order.offset])
            except OSError:
                return  # The worker died; the end of its output reports why.

    def _lose(self, process: WorkerProcess) -> None:
        doing = ", ".join(f"image {order.name}" for order in process.open.values()) or "nothing"
        how, hint = process.ending()
        message = f"picture worker {process.pid} {how} while it had {doing} to decode"
        self.orders.fail(UserError("picture-worker", message, hint))
