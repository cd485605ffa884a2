"""Decodes requested pictures in worker processes into bounded shared memory; concurrent requests share one copy."""

from __future__ import annotations

import atexit
import os
from types import TracebackType

import torch
from torch import Tensor

from ..shards import ImageShards
from .decode import read_picture
from .dispatcher import Dispatcher
from .orders import Order, Orders

#: cudaHostRegisterPortable: pinned for every device that this process uses.
_PORTABLE = 1


class Picture:
    """A requested picture. Release it once nothing reads its pixels, pending copies to a device included."""

    def __init__(self, workers: PictureWorkers, order: Order) -> None:
        self._workers, self._order = workers, order
        self._released = False

    def result(self) -> Tensor:
        """Waits for the pixels: uint8 [H, W, 3], RGB, on the CPU, in shared memory; valid until :meth:`release`.

        Raises:
            UserError: ``image-missing``, ``image-damaged``, ``picture-worker`` when a worker process died.
        """
        if self._released:
            raise RuntimeError(f"picture {self._order.name} was already released")
        return self._workers._result(self._order)

    def release(self) -> None:
        """Frees the memory for reuse. A second call does nothing."""
        if not self._released:
            self._released = True
            self._workers._orders.release(self._order)


class PictureWorkers:
    """Decodes pictures of image shards ahead of use.

    Requests are served in order. Requests for the same hash share one copy until all of them are released. When
    unreleased pictures fill ``memory_mb``, later requests wait; a caller that needs such a picture now decodes it
    itself, into its own memory. That is slower, and counted in :attr:`inline`, but cannot deadlock.

    Args:
        images: the shards that hold the PNGs; every worker maps the same files.
        workers: processes; 0 decodes in :meth:`Picture.result`, into ordinary memory.
        memory_mb: MiB for unreleased pixels; a 1920x1088 picture takes 6.
    """

    def __init__(self, images: ImageShards, workers: int, memory_mb: int = 1024) -> None:
        self._images = images
        self._closed = self.pinned = False
        #: Pictures decoded by their caller, because there were no workers or no free memory.
        self.inline = 0
        self._dispatcher = Dispatcher(images, workers, memory_mb << 20) if workers > 0 else None
        self._orders = self._dispatcher.orders if self._dispatcher is not None else Orders(None, lambda: None)
        atexit.register(self.close)

    def request(self, name: str) -> Picture:
        """Requests the picture with the hash ``name`` and returns immediately; :meth:`Picture.result` raises errors."""
        if self._closed:
            raise RuntimeError("the picture workers are closed")
        return Picture(self, self._orders.add(name))

    @property
    def ahead(self) -> bool:
        """Whether pictures are decoded ahead of use."""
        return self._dispatcher is not None

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [process.pid for process in self._dispatcher.processes] if self._dispatcher is not None else []

    def pin(self, device: torch.device | str = "cuda") -> bool:
        """Registers the shared memory with CUDA, so that copies to ``device`` need no staging and do not block.

        Returns whether the memory is pinned. Without workers there is none to pin; if the system refuses, copies are
        slower and nothing else changes.
        """
        if self._dispatcher is not None and not self.pinned and torch.cuda.is_available():
            base = self._dispatcher.base
            # Otherwise a rank would also create a context on the current device, which takes half a gigabyte.
            with torch.cuda.device(device):
                code = torch.cuda.cudart().cudaHostRegister(base.data_ptr(), base.nbytes, _PORTABLE)
            self.pinned = int(code) == 0
        return self.pinned

    def close(self) -> None:
        """Stops the workers. Pixels in use stay readable; pictures not yet decoded fail."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        self._orders.fail(RuntimeError("the picture workers were closed"))
        if self._dispatcher is not None:
            self._dispatcher.close()
            if self.pinned:
                torch.cuda.cudart().cudaHostUnregister(self._dispatcher.base.data_ptr())
                self.pinned = False

    def __enter__(self) -> PictureWorkers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _result(self, order: Order) -> Tensor:
        found = self._orders.wait(order)
        if found is not None:
            return found
        self.inline += 1
        try:
            pixels = torch.from_numpy(read_picture(self._images, order.name).copy())
        except Exception as error:
            self._orders.finish(order, None, error)
            raise
        shared = self._orders.finish(order, pixels)
        assert shared is not None
        return shared


def default_workers(processes: int = 1) -> int:
    """Workers for each of ``processes`` trainers on this machine: its share of the cores minus one for its own thread.

    At most 16, which decode about 1,200 screenshots of 1920x1088 per second.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(16, cores // max(1, processes) - 1))
