"""The offline walk against a draft-and-verify loop at batch 1: `python test/trainer/bench_walk [--device cuda]`.

For each model type: a random target, rows whose responses are the target's own greedy output after a prompt with a
picture, and a draft that is trained on these rows until it is worth using. Then, on the same device, rows and draft in
one run: the time of the loop, of the walk, and of the walk with the marks of all places; and whether the steps are
equal. Both run once before they are timed. Loading is not timed. Not a test: nothing is asserted.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(Path(__file__).parent), str(_ROOT / "src" / "trainer"), str(_ROOT / "test" / "trainer")]

import torch  # noqa: E402
from draftsmith_trainer.algorithms.store import load_draft  # noqa: E402
from draftsmith_trainer.base.events import Events  # noqa: E402
from draftsmith_trainer.data.shards import ImageShards, Row, RowShards  # noqa: E402
from draftsmith_trainer.feed import Preparer, StateSource  # noqa: E402
from draftsmith_trainer.feed.packing import pack_target  # noqa: E402
from draftsmith_trainer.jobs.train import run as train  # noqa: E402
from draftsmith_trainer.measure.measurer import Measurer  # noqa: E402
from draftsmith_trainer.parallel.device import choose_compute  # noqa: E402
from draftsmith_trainer.target import load_target, read_spec  # noqa: E402
from draftsmith_trainer.target.pictures import open_pictures  # noqa: E402
from reference_server.decode.response_loop import speculative_loop  # noqa: E402
from target_maker import MODEL_TYPES, write_target  # noqa: E402
from tasks import write_greedy_rows  # noqa: E402

#: accepted drafted tokens by step, for each response in order.
Steps = list[list[int]]


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--kinds", default=",".join(MODEL_TYPES))
    flags.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    flags.add_argument("--rows", type=int, default=6)
    flags.add_argument("--context", type=int, default=300, help="tokens of a prompt")
    flags.add_argument("--response", type=int, default=200, help="tokens of a response")
    flags.add_argument("--hidden", type=int, default=64, help="width of the target")
    flags.add_argument("--layers", type=int, default=8, help="of the target")
    flags.add_argument("--block", type=int, default=8)
    flags.add_argument("--steps", type=int, default=60, help="training steps of the draft")
    flags.add_argument("--threads", type=int, default=None)
    chosen = flags.parse_args()
    if chosen.threads is not None:
        torch.set_num_threads(chosen.threads)
    for kind in chosen.kinds.split(","):
        with tempfile.TemporaryDirectory() as place:
            _measure(Path(place), kind, chosen)


def _measure(place: Path, kind: str, chosen: Any) -> None:
    compute = choose_compute(chosen.device, "fp32", "auto", chosen.threads)
    directory = write_target(place / "target", kind, hidden=chosen.hidden, layers=chosen.layers)
    write_greedy_rows(place / "shards", directory, chosen.device, chosen.rows, chosen.context, chosen.response)
    draft = load_draft(_trained(place, directory, chosen)).to(chosen.device).eval()
    target = load_target(read_spec(directory), draft.config.target_layer_ids, compute.dtype, chosen.device, whole=True)
    with open_pictures(directory, ImageShards(place / "shards"), target.device) as pictures:
        held: list[Row] = list(RowShards(place / "shards", "heldout"))
        packed = pack_target(target, slow_recurrence=True)
        preparer = Preparer(target, draft.config, compute.attention, packed is not None, 16_384, 8192)
        measurer = Measurer(target, draft, preparer, compute.autocast)

        def walk(marked: bool) -> Steps:
            source = StateSource(target, pictures, 0, packed)
            works = measurer.plan(held)
            found = [one for work in works for one in measurer.walks(work, source.states("heldout", work), marked)]
            return [one.accepted for one in sorted(found, key=lambda one: one.row.index)]

        decode = speculative_loop(target, draft, pictures.reader)

        def loop() -> Steps:
            return [decode(row, start, end).accepted for row in held for start, end in row.spans]

        walked, walk_seconds = _timed(lambda: walk(False), chosen.device)
        _, marked_seconds = _timed(lambda: walk(True), chosen.device)
        looped, loop_seconds = _timed(loop, chosen.device)
    steps = sum(map(len, walked))
    equal = sum(a == b for one, other in zip(walked, looped, strict=True) for a, b in zip(one, other, strict=False))
    print(
        f"{kind}: {len(walked)} responses of {chosen.response} tokens after prompts of {chosen.context}, {steps} steps,"
        f" accept length {1 + sum(map(sum, walked)) / steps:.2f}, {equal} of {steps} steps equal;"
        f" loop {loop_seconds:.2f} s, walk {walk_seconds:.3f} s, with marks {marked_seconds:.3f} s:"
        f" {loop_seconds / walk_seconds:.1f} times as fast, {loop_seconds / marked_seconds:.1f} with marks",
        flush=True,
    )


def _trained(place: Path, target: Path, chosen: Any) -> Path:
    """A draft trained on the rows themselves: it is the loop's steps that shall be as few as a good draft's."""
    options = {
        "draft": {"layers": 2, "blockSize": chosen.block, "maskTokenId": 510},
        "maxSteps": chosen.steps,
        "epochs": 10_000,
        "evalEvery": chosen.steps,
        "lr": 3e-3,
        "device": chosen.device,
        "dtype": "fp32",
        "slowRecurrence": True,
        "threads": chosen.threads,
    }
    job = {"target": target, "shards": place / "shards", "workDir": place / "work", "resumeDir": place / "resume"}
    path = place / "train.json"
    (place / "work").mkdir()
    path.write_text(json.dumps({**{name: str(one) for name, one in job.items()}, "options": options}), "utf-8")
    out = io.StringIO()
    train(path, Events(out))
    best = json.loads(out.getvalue().splitlines()[-1])["facts"]["best"]["path"]
    return place / "work" / str(best)


def _timed(action: Callable[[], Steps], device: str) -> tuple[Steps, float]:
    """The result of the second call, and its seconds."""
    action()
    _settle(device)
    start = time.perf_counter()
    made = action()
    _settle(device)
    return made, time.perf_counter() - start


def _settle(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
