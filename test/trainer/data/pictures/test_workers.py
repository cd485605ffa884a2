"""Worker processes give the pixels that decoding in place gives, in bounded memory, and leave nothing behind."""

import gc
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.data.pictures.decode import decode
from draftsmith_trainer.data.pictures.workers import PictureWorkers, default_workers
from draftsmith_trainer.data.shards import ImageShards
from shard_maker import IMAGE_SCHEMA, png_of, write_images

MIB = 1 << 20


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def entries(directory):
    return {path.name for path in Path(directory).iterdir()}


def write_raw(directory, entries):
    """Image shards of ``entries`` (hash, bytes, width, height), true or not."""
    records = [
        {"hash": name, "image": {"bytes": png, "path": f"{name}.png"}, "width": width, "height": height}
        for name, png, width, height in sorted(entries)
    ]
    path = directory / "images" / "images-00000-of-00001.arrow"
    path.parent.mkdir()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, IMAGE_SCHEMA) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist(records, schema=IMAGE_SCHEMA))


@pytest.fixture
def shards(tmp_path):
    """Twelve pictures of several sizes: their hashes in the order of writing, and where they are."""
    sizes = [(64 + 32 * (i % 3), 96 + 32 * (i % 4)) for i in range(12)]
    names = write_images(tmp_path, [png_of(i, *size) for i, size in enumerate(sizes)])
    return names, ImageShards(tmp_path)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_every_handle_gives_its_own_picture(shards, count):
    names, images = shards
    order = [names[i] for i in np.random.default_rng(0).integers(0, len(names), 40)]
    with PictureWorkers(images, count, memory_mb=4) as workers:
        asked = [workers.request(name) for name in order]
        for name, picture in zip(order, asked, strict=True):
            wanted = decode(images.png(name), name)
            assert picture.result().dtype == torch.uint8
            assert np.array_equal(picture.result().numpy(), wanted)
        for picture in asked:
            picture.release()
        assert workers.ahead == (count > 0) and (workers.inline > 0) == (count == 0)


@pytest.mark.parametrize("count", [0, 2])
def test_requests_of_one_hash_share_memory_until_the_last_release(shards, count):
    names, images = shards
    with PictureWorkers(images, count, memory_mb=4) as workers:
        first, second, other = (workers.request(name) for name in (names[0], names[0], names[1]))
        assert first.result().data_ptr() == second.result().data_ptr() != other.result().data_ptr()
        kept = second.result()
        first.release()
        first.release()
        filler = [workers.request(name) for name in names[2:]]
        for picture in filler:
            picture.result()
        assert np.array_equal(kept.numpy(), decode(images.png(names[0]), "x"))
        with pytest.raises(RuntimeError, match="released"):
            first.result()


@pytest.mark.parametrize("count", [0, 2])
def test_missing_damaged_and_missized_pictures_are_told_to_who_asked(tmp_path, count):
    good, cut, lie, other = png_of(0, 64, 96), png_of(1, 64, 96)[:900], png_of(2, 64, 96), png_of(3, 64, 96)
    names = {what: hashlib.sha256(png).hexdigest() for what, png in (("good", good), ("cut", cut), ("lie", lie))}
    names |= {"changed": "c" * 64, "missing": "d" * 64}
    sizes = {"good": (good, 64, 96), "cut": (cut, 64, 96), "lie": (lie, 32, 96), "changed": (other, 64, 96)}
    write_raw(tmp_path, [(names[what], *entry) for what, entry in sizes.items()])
    with PictureWorkers(ImageShards(tmp_path), count, memory_mb=1) as workers:
        asked = {what: workers.request(name) for what, name in names.items()}
        for what in ("cut", "lie", "changed", "missing"):
            for _ in range(2):
                with pytest.raises(UserError, match=names[what]) as error:
                    asked[what].result()
                assert error.value.code == ("image-missing" if what == "missing" else "image-damaged")
        assert np.array_equal(asked["good"].result().numpy(), decode(good, "good"))
        for picture in asked.values():
            picture.release()
        again = workers.request(names["good"])
        assert np.array_equal(again.result().numpy(), decode(good, "good"))


def test_memory_is_bounded_and_more_than_fits_is_decoded_in_place(tmp_path):
    names = write_images(tmp_path, [png_of(i, 512, 256) for i in range(8)])
    images = ImageShards(tmp_path)
    with PictureWorkers(images, 2, memory_mb=1) as workers:
        low, high = (
            workers._dispatcher.base.data_ptr(),
            workers._dispatcher.base.data_ptr() + workers._dispatcher.base.nbytes,
        )
        assert high - low == MIB
        asked = [workers.request(name) for name in names]
        # 384 KiB each: two fit. Nothing is released, so six are decoded by who wants them.
        pointers = [picture.result().data_ptr() for picture in asked]
        assert [low <= p < high for p in pointers] == [True] * 2 + [False] * 6
        assert workers.inline == 6
        for name, picture in zip(names, asked, strict=True):
            assert np.array_equal(picture.result().numpy(), decode(images.png(name), name))
            picture.release()
        assert workers._orders.room.free == MIB
        # In order and released in time, everything passes through the same megabyte.
        for _ in range(3):
            asked = [workers.request(name) for name in names]
            for name, picture in zip(names, asked, strict=True):
                assert np.array_equal(picture.result().numpy(), decode(images.png(name), name))
                picture.release()
        assert not workers._orders.wanted


def test_a_picture_larger_than_all_memory_is_decoded_in_place(tmp_path):
    name = write_images(tmp_path, [png_of(0, 1024, 512)])[0]
    images = ImageShards(tmp_path)
    with PictureWorkers(images, 1, memory_mb=1) as workers:
        picture = workers.request(name)
        assert np.array_equal(picture.result().numpy(), decode(images.png(name), name))
        assert workers.inline == 1


def test_released_before_it_was_decoded(shards):
    names, images = shards
    with PictureWorkers(images, 1, memory_mb=1) as workers:
        for name in names * 3:
            workers.request(name).release()
        last = workers.request(names[5])
        assert np.array_equal(last.result().numpy(), decode(images.png(names[5]), "x"))
        last.release()
        deadline = time.monotonic() + 30
        while workers._orders.room.free < MIB and time.monotonic() < deadline:
            time.sleep(0.01)
        assert workers._orders.room.free == MIB and not workers._orders.wanted


@pytest.mark.parametrize("busy", [True, False])
def test_a_killed_worker_is_an_error_and_no_hang(tmp_path, busy):
    names = write_images(tmp_path, [png_of(i, 512, 512) for i in range(30)])
    with PictureWorkers(ImageShards(tmp_path), 2, memory_mb=64) as workers:
        ready = workers.request(names[0])
        kept = ready.result().clone()
        asked = [workers.request(name) for name in names[1:]] if busy else []
        os.kill(workers.pids[0], signal.SIGKILL)
        if not busy:
            workers._dispatcher.processes[0]._process.wait()
        asked += [workers.request(name) for name in names[1:]]
        with pytest.raises(UserError, match="SIGKILL") as error:
            for picture in asked:
                picture.result()
            while True:  # All were decoded before the signal arrived: the next one fails.
                workers.request("0" * 64 if not busy else names[1]).result()
                time.sleep(0.01)
        assert error.value.code == "picture-worker" and "memory" in error.value.hint
        assert torch.equal(ready.result(), kept)
        with pytest.raises(UserError, match="SIGKILL"):
            workers.request("e" * 64).result()


def test_a_worker_that_cannot_start_says_so(tmp_path):
    write_images(tmp_path, [png_of(0)])
    images = ImageShards(tmp_path)
    (tmp_path / "images" / "images-00000-of-00001.arrow").write_bytes(b"gone")
    with PictureWorkers(images, 1, memory_mb=1) as workers:
        workers._dispatcher.processes[0]._process.wait()
        with pytest.raises(UserError, match="exit code 1") as error:
            workers.request("f" * 64).result()
            time.sleep(1)
            workers.request("e" * 64).result()
        assert error.value.code in ("picture-worker", "image-missing")


def test_several_threads_may_ask(shards):
    names, images = shards
    wanted = {name: decode(images.png(name), name) for name in names}
    wrong = []
    with PictureWorkers(images, 2, memory_mb=1) as workers:

        def ask(seed):
            for i in np.random.default_rng(seed).integers(0, len(names), 60):
                picture = workers.request(names[i])
                if not np.array_equal(picture.result().numpy(), wanted[names[i]]):
                    wrong.append(names[i])
                picture.release()

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


@pytest.mark.parametrize("fails", [False, True])
def test_close_leaves_no_process_segment_or_descriptor(shards, fails):
    names, images = shards
    gc.collect()
    before = entries("/dev/shm")
    open_before = len(entries("/proc/self/fd"))
    threads_before = threading.active_count()
    try:
        with PictureWorkers(images, 2, memory_mb=4) as workers:
            asked = [workers.request(name) for name in names]
            kept = asked[0].result()
            started = workers.pids
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert fails
    assert not any(map(alive, started)) and threading.active_count() == threads_before
    assert np.array_equal(kept.numpy(), decode(images.png(names[0]), "x")), "pixels in use stay readable"
    with pytest.raises(RuntimeError, match="closed"):
        workers.request(names[0])
    workers.close()
    del workers, asked, kept
    gc.collect()
    assert entries("/dev/shm") == before and len(entries("/proc/self/fd")) == open_before


def test_waiting_for_a_picture_ends_when_the_workers_are_closed(tmp_path):
    names = write_images(tmp_path, [png_of(i, 512, 512) for i in range(20)])
    workers = PictureWorkers(ImageShards(tmp_path), 1, memory_mb=64)
    asked = [workers.request(name) for name in names]
    ended = []

    def wait():
        try:
            asked[-1].result()
        except RuntimeError as error:
            ended.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    workers.close()
    thread.join(60)
    assert not thread.is_alive() and (
        ended == ["the picture workers were closed"] or asked[-1]._order.pixels is not None
    )


@pytest.mark.parametrize("way", ["kill", "exit", "exception"])
def test_workers_end_with_the_trainer(shards, tmp_path, way):
    """However it ends: killed, with a plain exit that closes nothing, or with a traceback."""
    names, images = shards
    program = textwrap.dedent(f"""
        import os, signal, sys
        from pathlib import Path
        from draftsmith_trainer.data.pictures.workers import PictureWorkers
        from draftsmith_trainer.data.shards import ImageShards
        if __name__ == "__main__":
            workers = PictureWorkers(ImageShards(Path({str(images.directory)!r})), 2, memory_mb=4)
            workers.request({names[0]!r}).result()
            print(*workers.pids, flush=True)
            if {way!r} == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if {way!r} == "exception":
                raise ZeroDivisionError
    """)
    script = tmp_path / "trainer.py"
    script.write_text(program)
    source = str(Path(sys.modules["draftsmith_trainer"].__file__).parents[1])
    before = entries("/dev/shm")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": source}, check=False
    )
    assert done.returncode == {"kill": -signal.SIGKILL, "exit": 0, "exception": 1}[way], done.stderr
    assert ("ZeroDivisionError" in done.stderr) == (way == "exception")
    started = [int(pid) for pid in done.stdout.split()]
    deadline = time.monotonic() + 30
    while any(map(alive, started)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(started) == 2 and not any(map(alive, started))
    assert entries("/dev/shm") == before


def test_default_workers():
    assert 1 <= default_workers(10_000) <= default_workers() <= 16


@pytest.mark.cuda
def test_pinned_pictures_reach_the_device(shards):
    names, images = shards
    torch.zeros(1, device="cuda")
    with PictureWorkers(images, 2, memory_mb=4) as workers:
        assert workers.pin() and workers.pin() and workers.pinned
        asked = [workers.request(name) for name in names]
        assert all(picture.result().is_pinned() for picture in asked)
        sent = [picture.result().to("cuda", non_blocking=True) for picture in asked]
        torch.cuda.synchronize()
        for name, part in zip(names, sent, strict=True):
            assert np.array_equal(part.cpu().numpy(), decode(images.png(name), name))
    assert not workers.pinned
