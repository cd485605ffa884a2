"""Requested pictures, their users, their memory and the queue: the state that threads share, under one lock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ...base.errors import UserError
from .memory import Allocator


@dataclass(eq=False)
class Order:
    """One requested picture.

    Attributes:
        users: how many requests for it have not been released.
        size: (height, width), once memory is allocated. offset: its byte offset in the shared memory.
        working: whether a worker may be writing to that memory.
        pixels: uint8 [H, W, 3] once decoded. error: why decoding failed.
    """

    name: str
    users: int = 0
    size: tuple[int, int] | None = None
    offset: int | None = None
    working: bool = False
    pixels: Tensor | None = None
    error: Exception | None = None

    @property
    def bytes(self) -> int:
        """Size of its pixels in bytes."""
        assert self.size is not None
        return 3 * self.size[0] * self.size[1]


class Orders:
    """All requested pictures, each once.

    Args:
        room: allocates memory for decoded pictures; None when every caller decodes its own pictures.
        wake: called when there may be more orders to send to workers.
    """

    def __init__(self, room: Allocator | None, wake: Callable[[], None]) -> None:
        self.room, self._wake = room, wake
        self.wanted: dict[str, Order] = {}
        self._waiting: deque[Order] = deque()
        self._changed = threading.Condition()
        self._failure: Exception | None = None
        # Whether the first order in the queue did not fit into the free memory.
        self._full = False

    def add(self, name: str) -> Order:
        """Adds a user to a picture, and queues the picture if it is new."""
        with self._changed:
            order = self.wanted.get(name)
            if order is None:
                order = self.wanted[name] = Order(name, error=self._failure)
                if self.room is not None and self._failure is None:
                    self._waiting.append(order)
                    self._wake()
            order.users += 1
            return order

    def wait(self, order: Order) -> Tensor | None:
        """Waits for the pixels. None tells the caller to decode them itself, because no worker will soon."""
        with self._changed:
            while order.pixels is None and order.error is None:
                if self.room is None or (self._full and order in self._waiting):
                    if order in self._waiting:
                        self._waiting.remove(order)
                    return None
                self._changed.wait()
            if order.error is not None:
                raise order.error
            return order.pixels

    def finish(self, order: Order, pixels: Tensor | None, error: Exception | None = None) -> Tensor | None:
        """Records a decoded picture or an error. Returns the pixels that all users share: the first ones to arrive."""
        with self._changed:
            order.working = False
            order.error = error
            if error is None and order.pixels is None:
                order.pixels = pixels
            shared = order.pixels
            if order.users == 0:
                self._drop(order)
            self._changed.notify_all()
            return shared

    def release(self, order: Order) -> None:
        """Removes a user."""
        with self._changed:
            order.users -= 1
            if order.users == 0 and not order.working:
                self._drop(order)

    def place(self, size_of: Callable[[str], tuple[int, int]]) -> Order | None:
        """Allocates memory for the first picture in the queue; None when the queue is empty or nothing fits.

        Args:
            size_of: (height, width) by hash. Called without the lock because it may read from disk; a UserError that it
                raises becomes the picture's error.
        """
        while True:
            with self._changed:
                while self._waiting and self._waiting[0].users == 0:
                    self._waiting.popleft()
                if not self._waiting:
                    return None
                order = self._waiting[0]
            size, error = order.size, None
            try:
                size = size or size_of(order.name)
            except UserError as missing:
                error = missing
            with self._changed:
                if not self._waiting or self._waiting[0] is not order:
                    continue
                if error is not None:
                    self._waiting.popleft()
                    order.error = error
                    self._changed.notify_all()
                    continue
                order.size = size
                assert self.room is not None
                order.offset = self.room.take(order.bytes)
                self._full = order.offset is None
                if self._full:
                    self._changed.notify_all()
                    return None
                self._waiting.popleft()
                order.working = True
                return order

    def fail(self, error: Exception) -> None:
        """Stops decoding: every waiting or future request raises ``error``."""
        with self._changed:
            self._failure = self._failure or error
            self._waiting.clear()
            for order in self.wanted.values():
                if order.pixels is None and order.error is None:
                    order.error = self._failure
            self._changed.notify_all()

    @property
    def failed(self) -> bool:
        """Whether :meth:`fail` was called."""
        return self._failure is not None

    def _drop(self, order: Order) -> None:
        """Forgets an order that has no users and that no worker is writing to."""
        if self.wanted.get(order.name) is order:
            del self.wanted[order.name]
        order.pixels = None
        if order.offset is not None and self.room is not None:
            self.room.give(order.offset, order.bytes)
            order.offset = None
            self._full = False
            self._wake()
