"""How fast pictures come from image shards to pixel values: `python test/trainer/target/bench_pictures.py [flags]`.

Writes synthetic screenshots as the import stage does (unfiltered PNG, zlib level 4) into a temporary directory and
prints, for each size: pictures a second that worker processes decode; milliseconds for the pixel values of one picture
by the checkpoint's image processor and by PixelPrep, next to the time that its bytes take at this device's copy rate;
and the share of a training step spent waiting for pictures, when every row of every step has a new one and a step takes
--step-ms. 1920x1080 is not a multiple of 32: the processor resamples it, so that this size shows the slow way.
Not a test: nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

_ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(_ROOT / "src" / "trainer"), str(_ROOT / "test" / "trainer")]

from draftsmith_trainer.data.images import PixelReader  # noqa: E402
from draftsmith_trainer.data.pictures.decode import read_picture  # noqa: E402
from draftsmith_trainer.data.pictures.workers import PictureWorkers, default_workers  # noqa: E402
from draftsmith_trainer.data.shards import ImageShards  # noqa: E402
from draftsmith_trainer.target.pictures import PictureSource  # noqa: E402
from screenshots import PROCESSOR, png_bytes, screenshot  # noqa: E402
from shard_maker import write_images  # noqa: E402


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--sizes", default="1920x1088,1280x704,1920x1080", help="width x height, separated by commas")
    flags.add_argument("--pictures", type=int, default=24, help="different pictures of each size")
    flags.add_argument("--workers", default=f"1,{default_workers()}", help="numbers of worker processes")
    flags.add_argument("--rows", type=int, default=8, help="pictures a step")
    flags.add_argument("--step-ms", type=float, default=400, help="the rest of a step")
    flags.add_argument("--steps", type=int, default=12)
    flags.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = flags.parse_args()
    counts = sorted({int(count) for count in chosen.workers.split(",")})
    device = torch.device(chosen.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    rate = _copy_rate(device)
    print(f"{name}; copies {rate / 1e9:.0f} GB/s; {len(os.sched_getaffinity(0))} cores")
    for size in chosen.sizes.split(","):
        width, height = map(int, size.split("x"))
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder)
            (directory / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
            (directory / "config.json").write_text('{"model_type": "qwen3_vl"}')
            pngs = [png_bytes(screenshot(seed, width, height)) for seed in range(chosen.pictures)]
            names = write_images(directory, pngs)
            print(f"\n{width}x{height}: {len(pngs)} pictures, {sum(map(len, pngs)) / len(pngs) / 1024:.0f} KiB each")
            _decode_rates(directory, names, counts)
            _one_picture(directory, names, device, rate)
            for count in counts:
                _waiting(directory, names, count, device, chosen)


def _decode_rates(directory: Path, names: list[str], counts: list[int]) -> None:
    images = ImageShards(directory)
    took = _best(lambda: [read_picture(images, name) for name in names[:8]], 3) / len(names[:8])
    print(f"  decode in place       {1 / took:7.1f} pictures/s, {took * 1e3:.1f} ms each")
    for count in counts:
        with PictureWorkers(images, count, memory_mb=256) as workers:
            _pass(workers, names, count)
            before = _cpu_seconds(workers)
            took = min(_pass(workers, names, count) for _ in range(3))
            rate, cpu = len(names) / took, (_cpu_seconds(workers) - before) / (3 * len(names))
            print(
                f"  decode, {count:2d} workers    {rate:7.1f} pictures/s, {rate / count:.1f} per worker; "
                f"{cpu * 1e3:.1f} ms of a core each"
            )


def _pass(workers: PictureWorkers, names: list[str], count: int) -> float:
    """Seconds for all pictures, as many asked for ahead as the memory holds with room to spare."""
    began = time.perf_counter()
    ahead = [workers.request(name) for name in names[: 4 * count]]
    for number in range(len(names)):
        picture = ahead.pop(0)
        picture.result()
        picture.release()
        if number + 4 * count < len(names):
            ahead.append(workers.request(names[number + 4 * count]))
    return time.perf_counter() - began


def _cpu_seconds(workers: PictureWorkers) -> float:
    """What the workers have used so far: on a machine with other work this says more than a rate."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in workers.pids]
    return sum(int(part[11]) + int(part[12]) for part in fields) / os.sysconf("SC_CLK_TCK")


def _one_picture(directory: Path, names: list[str], device: torch.device, rate: float) -> None:
    images = ImageShards(directory)
    reader = PixelReader(directory, images)
    pixels = read_picture(images, names[0])
    processor = _best(lambda: reader.processed_picture(pixels)[0].to(device), 5, device)
    print(f"  processor, fp32       {processor * 1e3:8.2f} ms a picture")
    with PictureSource(reader, PictureWorkers(images, 0), device) as source:
        height, width = pixels.shape[:2]
        if not source.prep.fits(height, width):
            print("  PixelPrep             does not apply: the processor resamples this size")
            return
        for dtype in (torch.float32, torch.bfloat16):
            for batch in (1, 8):
                sent = [torch.from_numpy(pixels.copy()).to(device) for _ in range(batch)]
                grids = [source.prep.grid(height, width)] * batch
                took = _best(lambda: source.prep.prepare(sent, grids, dtype), 10, device) / batch  # noqa: B023
                moved = pixels.size * (1 + 2 * dtype.itemsize)
                print(
                    f"  PixelPrep, {str(dtype)[6:]:8s} x{batch} {took * 1e3:8.3f} ms a picture; "
                    f"its {moved / 2**20:.0f} MiB take {moved / rate * 1e3:.3f} ms"
                )


def _waiting(directory: Path, names: list[str], count: int, device: torch.device, chosen: argparse.Namespace) -> None:
    """A training loop that announces two steps ahead and does nothing else but wait for --step-ms."""
    images = ImageShards(directory)
    order = [names[i % len(names)] for i in range(chosen.rows * (chosen.steps + 1))]
    steps = [order[i : i + chosen.rows] for i in range(0, len(order), chosen.rows)]
    grids = [(1, 2 * round(images.size(name)[0] / 32), 2 * round(images.size(name)[1] / 32)) for name in steps[0]]
    with PictureSource(PixelReader(directory, images), PictureWorkers(images, count), device) as source:
        for step in steps[:2]:
            source.expect(step)
        waited = 0.0
        for number, step in enumerate(steps):
            if number + 2 < len(steps):
                source.expect(steps[number + 2])
            began = time.perf_counter()
            source.values(step, grids, torch.bfloat16)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            # The first step waits for the workers to start.
            waited += time.perf_counter() - began if number else 0.0
            time.sleep(chosen.step_ms / 1e3)
        each = waited / (len(steps) - 1) * 1e3
        whole = each + chosen.step_ms
        print(
            f"  steps of {chosen.rows} rows, {count:2d} workers: {each:.1f} of {whole:.0f} ms for pictures, "
            f"{each / whole:.1%}; {source._workers.inline} decoded in place"
        )


def _copy_rate(device: torch.device) -> float:
    """Bytes read and written a second by a copy on the device."""
    source = torch.zeros(64 << 20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _best(lambda: target.copy_(source), 5, device)


def _best(run: Callable[[], object], times: int, device: torch.device | None = None) -> float:
    """Seconds of the fastest of several runs."""
    found = float("inf")
    for _ in range(times + 1):
        began = time.perf_counter()
        run()
        if device is not None and device.type == "cuda":
            torch.cuda.synchronize(device)
        found = min(found, time.perf_counter() - began)
    return found


if __name__ == "__main__":
    main()
