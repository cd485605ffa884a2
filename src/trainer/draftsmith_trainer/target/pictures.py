"""Pixel values of pictures: decoded by workers, then prepared on the target's device or by the image processor."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from threading import Lock
from types import TracebackType

import torch
from torch import Tensor

from ..base.errors import UserError
from ..data.images import Grid, PixelReader, check_grids, checked_grid
from ..data.pictures.workers import Picture, PictureWorkers, default_workers
from ..data.shards import ImageShards, Row
from .pixels import PixelPrep

#: Threads in which the processor prefetches; more gain little, because it holds the GIL part of the time.
_THREADS = 2


class PictureSource:
    """Pixel values bit-identical to a :class:`PixelReader`'s, from pictures that workers decode.

    Pictures whose size the processor keeps are prepared on ``device``. Pictures that it would resample, and videos, go
    through the processor on the CPU; announced pictures do so ahead of use, in a background thread.

    One thread may announce pictures while another uses them.

    Args:
        reader: the reference, used where the processor is required and by the reference server's loop.
        workers: decode the pictures; :meth:`close` closes them too.
        device: the device for pixel values.
    """

    def __init__(self, reader: PixelReader, workers: PictureWorkers, device: torch.device | str = "cpu") -> None:
        self.reader, self._workers, self._device = reader, workers, torch.device(device)
        self._coming: defaultdict[str, list[Picture]] = defaultdict(list)
        self._processed: dict[str, Future[tuple[Tensor, Grid]]] = {}
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(_THREADS, "pixels")
        self._sent: deque[tuple[torch.cuda.Event, list[Picture]]] = deque()
        if self._device.type == "cuda":
            workers.pin(self._device)

    @cached_property
    def prep(self) -> PixelPrep:
        """The tensor form of the checkpoint's image processor."""
        return PixelPrep(self.reader.processor)

    def expect(self, names: Iterable[str]) -> None:
        """See :meth:`PixelSource.expect`."""
        if not self._workers.ahead:
            return
        for name in names:
            with self._lock:
                self._coming[name].append(self._workers.request(name))
                if name not in self._processed and self._needs_processor(name):
                    self._processed[name] = self._threads.submit(self._process, name)

    def forget(self, names: Iterable[str]) -> None:
        """See :meth:`PixelSource.forget`."""
        for name in names:
            self._done(name)

    def values(self, names: Sequence[str], grids: Sequence[Grid], dtype: torch.dtype = torch.float32) -> Tensor:
        """See :meth:`PixelSource.values`. Never synchronises with the device unless the processor is needed."""
        values, made = self._values(names, dtype)
        check_grids(names, made, grids)
        return values

    def pixels(self, row: Row) -> tuple[Tensor | None, Tensor | None]:
        """(pixel_values fp32 [patches, C*2*patch^2] on the device, image_grid int64 [images, 3] on the CPU).

        Raises:
            UserError: as :meth:`PixelReader.pixels`; ``picture-worker``.
        """
        if not row.image_hashes:
            return None, None
        values, made = self._values(row.image_hashes, torch.float32)
        return values, checked_grid(row, "image", torch.tensor(made))

    def videos(self, row: Row) -> tuple[Tensor | None, Tensor | None]:
        """(pixel_values_videos fp32 [patches, C*2*patch^2] on the device, video_grid int64 [videos, 3] on the CPU).

        Frames are not announced; all workers decode them in parallel.

        Raises:
            UserError: as :meth:`PixelReader.videos`; ``picture-worker``.
        """
        if not row.video_frames:
            return None, None
        frames = [self._workers.request(name) for video in row.video_frames for name in video]
        try:
            decoded = iter([frame.result().numpy() for frame in frames])
            videos = [list(islice(decoded, len(video))) for video in row.video_frames]
            values, grid = self.reader.processed_videos(row, videos)
        finally:
            _release(frames)
        return values.to(self._device), grid

    def close(self) -> None:
        """Stops threads and workers."""
        self._workers.close()
        self._threads.shutdown(cancel_futures=True)

    def __enter__(self) -> PictureSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _values(self, names: Sequence[str], dtype: torch.dtype) -> tuple[Tensor, list[Grid]]:
        parts: list[Tensor] = []
        grids: list[Grid] = []
        try:
            for fits, group in groupby(names, key=self._fits):
                some = list(group)
                if fits:
                    shapes = [self.prep.grid(*self.reader.images.size(name)) for name in some]
                    parts.append(self._prepared(some, shapes, dtype))
                    grids += shapes
                else:
                    for name in some:
                        values, grid = self._by_processor(name)
                        parts.append(values.to(self._device, dtype))
                        grids.append(grid)
        finally:
            for name in names:
                self._done(name)
        return parts[0] if len(parts) == 1 else torch.cat(parts), grids

    def _prepared(self, names: Sequence[str], grids: Sequence[Grid], dtype: torch.dtype) -> Tensor:
        pictures = [self._workers.request(name) for name in names]
        try:
            pixels = [picture.result().to(self._device, non_blocking=True) for picture in pictures]
            return self.prep.prepare(pixels, grids, dtype)
        finally:
            self._release_when_copied(pictures)

    def _release_when_copied(self, pictures: list[Picture]) -> None:
        if self._device.type == "cuda":
            event = torch.cuda.Event()
            event.record(torch.cuda.current_stream(self._device))
            self._sent.append((event, pictures))
            while self._sent and self._sent[0][0].query():
                _release(self._sent.popleft()[1])
        else:
            _release(pictures)

    def _by_processor(self, name: str) -> tuple[Tensor, Grid]:
        coming = self._processed.get(name)
        return coming.result() if coming is not None else self._process(name)

    def _process(self, name: str) -> tuple[Tensor, Grid]:
        picture = self._workers.request(name)
        try:
            return self.reader.processed_picture(picture.result().numpy())
        finally:
            picture.release()

    def _fits(self, name: str) -> bool:
        return self.prep.fits(*self.reader.images.size(name))

    def _needs_processor(self, name: str) -> bool:
        try:
            return not self._fits(name)
        except UserError:
            return False  # A missing picture is reported when it is used.

    def _done(self, name: str) -> None:
        """Ends one announcement of a picture."""
        with self._lock:
            waiting = self._coming.get(name)
            if waiting:
                waiting.pop().release()
            if not waiting:
                self._coming.pop(name, None)
                self._processed.pop(name, None)


def open_pictures(target: Path, images: ImageShards, device: torch.device, processes: int = 1) -> PictureSource:
    """Opens pictures for a target on ``device``: decoded by workers for a GPU, on demand for a CPU.

    Args:
        target: the model directory. processes: number of trainers that share this machine.
    """
    workers = default_workers(processes) if device.type == "cuda" else 0
    return PictureSource(PixelReader(target, images), PictureWorkers(images, workers), device)


def _release(pictures: Iterable[Picture]) -> None:
    for picture in pictures:
        picture.release()
