"""Pictures on request: decoded by worker processes into a bounded piece of shared memory, each once for all who ask."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import selectors
import socket
import threading
from collections import deque
from dataclasses import dataclass
from types import TracebackType

import torch
from torch import Tensor

from ...base.errors import UserError
from ..shards import ImageShards
from .decode import read_picture
from .memory import Allocator, SharedMemory
from .process import WorkerProcess

#: Orders that a worker holds: the one it works on and the next, so that it never waits for the trainer.
_ORDERS = 2


@dataclass
class _Entry:
    """One picture that somebody wants."""

    name: str
    users: int = 0
    size: tuple[int, int] | None = None
    offset: int | None = None
    working: bool = False
    pixels: Tensor | None = None
    error: Exception | None = None

    @property
    def bytes(self) -> int:
        assert self.size is not None
        return 3 * self.size[0] * self.size[1]


class Picture:
    """A picture that was asked for. Release it when nothing reads its pixels any more, also no copy on a device."""

    def __init__(self, workers: PictureWorkers, entry: _Entry) -> None:
        self._workers, self._entry = workers, entry
        self._released = False

    def result(self) -> Tensor:
        """Waits for the pixels: uint8 [H, W, 3], RGB, on the CPU; memory of the workers, valid until :meth:`release`.

        Raises:
            UserError: ``image-missing``, ``image-damaged``, ``picture-worker`` when a worker process was ended.
        """
        if self._released:
            raise RuntimeError(f"picture {self._entry.name} was released before")
        return self._workers._result(self._entry)

    def release(self) -> None:
        """Lets the memory be used again. A second call does nothing."""
        if not self._released:
            self._released = True
            self._workers._release(self._entry)


class PictureWorkers:
    """Decodes pictures of image shards ahead.

    Requests are served in their order. Requests for the same hash share one piece of memory until all of them are
    released. While unreleased pictures fill ``memory_mb``, later requests wait. A caller that needs such a picture at
    once decodes it itself into memory of its own: slower, counted in :attr:`inline`, but never a deadlock.

    Args:
        images: where the PNGs are; every worker maps the same files.
        workers: processes; 0 decodes in :meth:`Picture.result`, into ordinary memory.
        memory_mb: MiB for pixels that are not released; a 1920x1088 picture takes 6.
    """

    def __init__(self, images: ImageShards, workers: int, memory_mb: int = 1024) -> None:
        self._images = images
        self._entries: dict[str, _Entry] = {}
        self._waiting: deque[_Entry] = deque()
        self._tickets = itertools.count()
        self._changed = threading.Condition()
        self._failure: Exception | None = None
        self._closed = self._full = self.pinned = False
        #: Pictures that were decoded by who needed them, for lack of workers or room.
        self.inline = 0
        self._processes: list[WorkerProcess] = []
        if workers > 0:
            self._start(workers, memory_mb << 20)

    def request(self, name: str) -> Picture:
        """Asks for the picture with the hash ``name``; returns at once. Errors come from :meth:`Picture.result`."""
        with self._changed:
            if self._closed:
                raise RuntimeError("the picture workers are closed")
            entry = self._entries.get(name)
            if entry is None:
                entry = self._entries[name] = _Entry(name, error=self._failure)
                if self._processes and self._failure is None:
                    self._waiting.append(entry)
                    self._wake()
            entry.users += 1
        return Picture(self, entry)

    @property
    def ahead(self) -> bool:
        """Whether pictures are decoded before somebody waits for them."""
        return bool(self._processes)

    def pin(self) -> bool:
        """Registers the shared memory with CUDA, so that copies to a device need no staging and do not block.

        Call it once the process has chosen its device. Returns whether the memory is pinned. Without workers there is
        none to pin; where the system refuses, copies take longer and nothing else changes.
        """
        if self._processes and not self.pinned and torch.cuda.is_available():
            code = torch.cuda.cudart().cudaHostRegister(self._base.data_ptr(), self._base.nbytes, 0)
            self.pinned = int(code) == 0
        return self.pinned

    def close(self) -> None:
        """Ends the workers. Pixels in use stay readable; pictures that were not decoded yet fail."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._fail(RuntimeError("the picture workers were closed"))
        if not self._processes:
            return
        atexit.unregister(self.close)
        self._wake()
        self._thread.join()
        for process in self._processes:
            process.ask_to_end()
        for process in self._processes:
            process.end()
        for end in self._alarm:
            end.close()
        if self.pinned:
            torch.cuda.cudart().cudaHostUnregister(self._base.data_ptr())
            self.pinned = False
        self._memory.close()

    def __enter__(self) -> PictureWorkers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, workers: int, size: int) -> None:
        self._memory = SharedMemory(size)
        self._base = torch.frombuffer(self._memory.map, dtype=torch.uint8)
        self._room = Allocator(size)
        self._alarm = socket.socketpair()
        for end in self._alarm:
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._alarm[0], selectors.EVENT_READ)
        try:
            for _ in range(workers):
                process = WorkerProcess(self._memory, self._images.directory)
                self._processes.append(process)
                self._selector.register(process, selectors.EVENT_READ)
        except BaseException:
            for process in self._processes:
                process.end()
            self._memory.close()
            raise
        self._thread = threading.Thread(target=self._serve, name="pictures", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def _result(self, entry: _Entry) -> Tensor:
        with self._changed:
            while entry.pixels is None and entry.error is None:
                if not self._processes or (self._full and entry in self._waiting):
                    break
                self._changed.wait()
            if entry.error is not None:
                raise entry.error
            if entry.pixels is not None:
                return entry.pixels
            if entry in self._waiting:
                self._waiting.remove(entry)
            self.inline += 1
        try:
            pixels = torch.from_numpy(read_picture(self._images, entry.name).copy())
        except UserError as error:
            with self._changed:
                entry.error = error
                self._changed.notify_all()
            raise
        with self._changed:
            # Somebody else may have decoded it meanwhile: all who asked get the same memory.
            entry.pixels = pixels if entry.pixels is None else entry.pixels
            self._changed.notify_all()
            return entry.pixels

    def _release(self, entry: _Entry) -> None:
        with self._changed:
            entry.users -= 1
            if entry.users == 0 and not entry.working:
                self._forget(entry)

    def _forget(self, entry: _Entry) -> None:
        """Nobody wants it any more, and no worker writes to it."""
        if self._entries.get(entry.name) is entry:
            del self._entries[entry.name]
        entry.pixels = None
        if entry.offset is not None:
            self._room.give(entry.offset, entry.bytes)
            entry.offset = None
            self._full = False
            if not self._closed:
                self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # Full of unread calls: one more would tell nothing.
            self._alarm[1].send(b"!")

    def _serve(self) -> None:
        """The thread that hands out orders and takes answers."""
        try:
            while not self._closed:
                for key, _ in self._selector.select():
                    if isinstance(key.fileobj, WorkerProcess):
                        self._take(key.fileobj)
                    else:
                        self._alarm[0].recv(1 << 16)
                if self._failure is None:
                    self._hand_out()
        except Exception as bug:
            # Without this thread everybody would wait for ever.
            with self._changed:
                self._fail(bug)
        finally:
            self._selector.close()

    def _take(self, process: WorkerProcess) -> None:
        answers = process.answers()
        if answers is None:
            self._selector.unregister(process)
            self._lose(process)
            return
        with self._changed:
            for ticket, *error in answers:
                entry = process.open.pop(ticket)
                entry.working = False
                if error:
                    entry.error = UserError(*error) if error[0] is not None else RuntimeError(error[1])
                else:
                    entry.pixels = self._base[entry.offset : entry.offset + entry.bytes].view(*entry.size, 3)
                if entry.users == 0:
                    self._forget(entry)
            self._changed.notify_all()

    def _hand_out(self) -> None:
        while True:
            process = min(self._processes, key=lambda one: len(one.open))
            entry = self._next() if len(process.open) < _ORDERS else None
            if entry is None:
                return
            ticket = next(self._tickets)
            process.open[ticket] = entry
            try:
                process.send([ticket, entry.name, entry.offset])
            except OSError:
                return  # Its output closes too, and tells the rest.

    def _next(self) -> _Entry | None:
        """The next entry that needs a worker, with room of its own; None when there is none, or no room."""
        while True:
            with self._changed:
                while self._waiting and self._waiting[0].users == 0:
                    self._waiting.popleft()
                if not self._waiting:
                    return None
                entry = self._waiting[0]
            error: Exception | None = None
            try:
                # Outside the lock: this may read from a disk.
                size = entry.size or self._images.size(entry.name)
            except UserError as missing:
                error = missing
            with self._changed:
                if not self._waiting or self._waiting[0] is not entry:
                    continue
                if error is not None:
                    self._waiting.popleft()
                    entry.error = error
                    self._changed.notify_all()
                    continue
                entry.size = size
                entry.offset = self._room.take(entry.bytes)
                self._full = entry.offset is None
                if self._full:
                    self._changed.notify_all()
                    return None
                self._waiting.popleft()
                entry.working = True
                return entry

    def _lose(self, process: WorkerProcess) -> None:
        doing = ", ".join(f"image {entry.name}" for entry in process.open.values()) or "nothing"
        how, hint = process.ending()
        error = UserError("picture-worker", f"picture worker {process.pid} {how} while it had {doing} to decode", hint)
        with self._changed:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Nothing more will be decoded: who waits gets ``error``."""
        self._failure = self._failure or error
        self._waiting.clear()
        for entry in self._entries.values():
            if entry.pixels is None and entry.error is None:
                entry.error = self._failure
        self._changed.notify_all()


def default_workers(processes: int = 1) -> int:
    """Workers for each of ``processes`` trainers on this machine: the cores of one, less one for its own thread.

    At most 16: that many decode about 1,200 screenshots of 1920x1088 a second.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(16, cores // max(1, processes) - 1))


__all__ = ["Picture", "PictureWorkers", "default_workers"]
