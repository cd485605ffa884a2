"""Training steps at real shapes on one GPU, against the plain way and the floor: `python test/trainer/bench_training`.

Random weights, synthetic screenshots in image shards. Prints the card's matrix and copy rate, then, for each target and
size, milliseconds of each part next to its floor (operations at the measured matrix rate, or bytes at the copy rate),
the whole step, tokens and rows a second, share of the floor, peak memory above weights and optimizer state, the share
of time that the host waited for input, and the plain way in the same run. Under torchrun: whole steps of
all ranks together. Not a test: nothing is asserted.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(Path(__file__).parent), str(_ROOT / "src" / "trainer"), str(_ROOT / "test" / "trainer")]

import torch  # noqa: E402
from draftsmith_trainer.data.survey import RowFacts  # noqa: E402
from draftsmith_trainer.losses import LossRule, frozen_head_loss  # noqa: E402
from draftsmith_trainer.parallel.ranks import Ranks, join_ranks  # noqa: E402
from draftsmith_trainer.plan.cards import KNOWN, OPTIMIZER_BYTES, SHARE  # noqa: E402
from draftsmith_trainer.plan.memory import training_memory  # noqa: E402
from draftsmith_trainer.plan.parameters import target_parameters  # noqa: E402
from draftsmith_trainer.plan.rows import totals_of  # noqa: E402
from draftsmith_trainer.plan.scope import largest_pack  # noqa: E402
from draftsmith_trainer.plan.shape import read_shape  # noqa: E402
from draftsmith_trainer.plan.work import draft_backward_work, draft_forward_work, training_work  # noqa: E402
from draftsmith_trainer.target.spec import read_spec  # noqa: E402
from draftsmith_trainer.train.options import TrainOptions  # noqa: E402
from ours import Ours  # noqa: E402
from plain_way import PlainWay  # noqa: E402
from rows import GRID, SIZES, Size, make_row, write_directory  # noqa: E402
from targets import NAMES, as_target, config_of, draft_config_of, make_draft, make_target  # noqa: E402

DEVICE = torch.device("cuda")


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--targets", default="8b,30b")
    flags.add_argument("--sizes", default="gui,long")
    flags.add_argument("--layers", type=int, default=None, help="of the target, where it does not fit whole")
    flags.add_argument("--steps", type=int, default=8, help="timed steps")
    flags.add_argument("--pictures", type=int, default=32, help="different screenshots")
    flags.add_argument("--no-plain", action="store_true", help="leave the plain way out")
    flags.add_argument("--no-parts", action="store_true", help="whole steps only")
    chosen = flags.parse_args()
    ranks = join_ranks("cuda")
    if ranks.world > 1:
        chosen.no_plain = chosen.no_parts = True
        if not ranks.first:
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    matrix, copy = _rates()
    card = f"{ranks.world} x {torch.cuda.get_device_name()}, torch {torch.__version__}"
    print(f"{card}: {matrix / 1e12:.0f} TFLOP/s, {copy / 1e12:.2f} TB/s")
    for name in chosen.targets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder)
            hashes = write_directory(directory, chosen.pictures, config_of(name, chosen.layers))
            _target(name, directory, hashes, matrix, copy, chosen, ranks)
        gc.collect()
        torch.cuda.empty_cache()
    ranks.close()


def _target(
    name: str, directory: Path, hashes: list[str], matrix: float, copy: float, chosen: Any, ranks: Ranks
) -> None:
    start = time.perf_counter()
    model = make_target(directory, DEVICE)
    config = draft_config_of(directory)
    target = as_target(model, directory, config.target_layer_ids)
    vocabulary = target.embed.shape[0]
    print(f"\n{NAMES[name]}{'' if chosen.layers is None else f', {chosen.layers} layers'} "
          f"(made in {time.perf_counter() - start:.0f} s)", flush=True)  # fmt: skip
    for key in chosen.sizes.split(","):
        size = SIZES[key]
        batches = _batches(size, hashes, vocabulary, chosen.steps + 4, ranks.rank)
        floor = _floors(directory, config, batches[0], matrix, copy)
        print(f"{size}: floor {floor['step']:.0f} ms; {_planned(directory, config, batches[0], size)}", flush=True)
        ours = _ours(target, config, directory, batches, floor, chosen, ranks)
        gc.collect()
        torch.cuda.empty_cache()
        if not chosen.no_plain:
            plain = _plain(model, config, batches, size)
            print(f"  times the plain way: {plain / ours:.2f}", flush=True)
            gc.collect()
            torch.cuda.empty_cache()


def _ours(
    target: Any, config: Any, directory: Path, batches: Any, floor: dict[str, float], chosen: Any, ranks: Ranks
) -> float:
    draft = make_draft(config, DEVICE)
    options = TrainOptions(batch_size=len(batches[0]), max_length=8192)
    with Ours(target, draft, directory, options, ranks) as ours:
        started = time.perf_counter()
        ours.run(batches[:2])
        print(f"  first two steps {time.perf_counter() - started:.1f} s (compiling)", flush=True)
        ours.run(batches[2:4])
        held = _held(draft)
        torch.cuda.reset_peak_memory_stats()
        weights = torch.cuda.memory_allocated() - _gradients(draft)
        spent = ours.run(batches[4:]) / len(batches[4:]) * 1e3
        peak = torch.cuda.max_memory_allocated()
        tokens = sum(len(row) for row in batches[0])
        rows = ranks.world * len(batches[0]) / spent * 1e3
        print(
            f"  ours: {spent:.0f} ms, {ranks.world * tokens / spent:.1f} K tokens/s, {rows:.2f} rows/s, "
            f"{floor['step'] / spent:.2f} of the floor, peak {peak / 2**30:.1f} GiB, "
            f"{(peak - weights) / 2**30:.1f} above weights and optimizer state ({held / 2**30:.1f}), "
            f"host waited for input {100 * ours.waited / (spent * len(batches[4:]) / 1e3):.1f} %",
            flush=True,
        )
        if not chosen.no_parts:
            _parts(ours, target, batches[4], floor)
    return spent


def _parts(ours: Ours, target: Any, rows: Any, floor: dict[str, float]) -> None:
    work = ours.prepare(rows, 99)[0]
    assert work.pack is not None and ours.packed is not None
    pixels = ours.pictures.values(work.pack.hashes, work.pack.grids, torch.bfloat16)
    pack = work.pack.to(DEVICE)
    states = ours.packed.capture(pack, pixels, ours.preparer.multiple)
    parts = [part.to(DEVICE) for part in work.parts]
    optimizer = ours.stepper.optimizer
    weight, total = torch.ones((), dtype=torch.float64, device=DEVICE), torch.ones((), device=DEVICE)
    batch = parts[0].batch
    hidden = torch.randn(sum(len(p.batch.labels) for p in parts), target.embed.shape[1], device=DEVICE).bfloat16()
    hidden.requires_grad_()
    ends = np.concatenate(
        [[0], *(p.batch.ends[1:] + sum(len(q.batch.labels) for q in parts[:i]) for i, p in enumerate(parts))]
    )
    places = torch.cat([p.batch.places + sum(q.batch.ids.numel() for q in parts[:i]) for i, p in enumerate(parts)])
    labels = torch.cat([p.batch.labels for p in parts])

    def learn() -> None:
        for part in parts:
            ours.stepper._learn(states, part)

    def head() -> None:
        frozen_head_loss(hidden, labels, places, ends, batch.block_size, target.lm_head, LossRule(4.0)).total.backward()

    with torch.no_grad():
        measured = {
            "tower": _ms(lambda: ours.packed.pictures(pixels, pack)),
            "target and tower": _ms(lambda: ours.packed.capture(pack, pixels, 128)),
        }
    measured["head"] = _ms(head)
    measured["draft and head"] = _ms(learn)
    measured["optimizer"] = _ms(lambda: (optimizer.step(1e-6, weight, 1, total), ours.stepper.renew()))
    for name, ms in measured.items():
        print(f"    {name}: {ms:.1f} ms, floor {floor[name]:.1f} ({floor[name] / ms:.2f})", flush=True)


def _plain(model: Any, config: Any, batches: Any, size: Size) -> float:
    draft = make_draft(config, DEVICE)
    way = PlainWay(model, draft, 4.0)
    grids = torch.tensor([GRID] * size.rows, device=DEVICE)
    pixels = torch.rand(size.rows * int(np.prod(GRID)), 1536, device=DEVICE) * 2 - 1
    for number in range(3):
        way.step(batches[number], pixels, grids, number)
    torch.cuda.synchronize()
    weights = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    for number in range(4, len(batches)):
        way.step(batches[number], pixels, grids, number)
    torch.cuda.synchronize()
    spent = (time.perf_counter() - start) / len(batches[4:]) * 1e3
    peak = torch.cuda.max_memory_allocated()
    tokens = sum(len(row) for row in batches[0])
    print(
        f"  plain way: {spent:.0f} ms, {tokens / spent:.1f} K tokens/s, {size.rows / spent * 1e3:.2f} rows/s, "
        f"peak {peak / 2**30:.1f} GiB, {(peak - weights) / 2**30:.1f} above weights and optimizer state",
        flush=True,
    )
    return spent


def _batches(size: Size, hashes: list[str], vocabulary: int, count: int, rank: int = 0) -> list[Any]:
    first = rank * size.rows * count
    made = [make_row(first + i, size, hashes[i % len(hashes)], vocabulary) for i in range(size.rows * count)]
    return [made[i : i + size.rows] for i in range(0, len(made), size.rows)]


def _floors(directory: Path, config: Any, rows: Any, matrix: float, copy: float) -> dict[str, float]:
    """Milliseconds by part."""
    facts = _facts(rows)
    totals = totals_of(facts, 512, config.block_size)
    shape = read_shape(directory)
    work = training_work(shape, config, totals)
    parameters = sum(p.numel() for p in make_draft(config, torch.device("meta")).parameters())
    made = {
        "tower": work.tower / matrix,
        "target and tower": (work.tower + work.target) / matrix,
        "head": work.head / matrix,
        "draft and head": (draft_forward_work(config, totals) + draft_backward_work(config, totals) + work.head)
        / matrix,
        "optimizer": parameters * OPTIMIZER_BYTES / copy,
    }
    made["step"] = work.total / matrix + made["optimizer"]
    return {name: 1e3 * seconds for name, seconds in made.items()}


def _planned(directory: Path, config: Any, rows: Any, size: Size) -> str:
    """What `draftsmith train --dry-run` says of a step: the same functions, without its survey of shards."""
    shape, facts = read_shape(directory), _facts(rows)
    kept = target_parameters(shape.text, shape.tower, max(config.target_layer_ids) + 1)
    pack = largest_pack(facts, TrainOptions(batch_size=size.rows, max_length=8192), config.block_size)
    memory = training_memory(shape, kept, config, pack).total
    card = next((card for card in KNOWN if card.name in torch.cuda.get_device_name()), None)
    if card is None:
        return f"planned {memory / 2**30:.1f} GiB"
    assert card.matrix is not None and card.copy is not None
    floor = _floors(directory, config, rows, card.matrix, card.copy)["step"]
    share = SHARE[read_spec(directory).model_type]
    return f"planned {floor / share:.0f} ms ({share:.2f} of {card.matrix / 1e12:.0f} TFLOP/s), {memory / 2**30:.1f} GiB"


def _facts(rows: Any) -> RowFacts:
    from draftsmith_trainer.data.blocks import candidates, context_length

    patches = int(np.prod(GRID))
    columns = {
        "tokens": [len(row) for row in rows],
        "supervised": [int(row.loss_mask.sum()) for row in rows],
        "anchors": [len(candidates(row)) for row in rows],
        "context": [context_length(row) for row in rows],
        "pictures": [1 for _ in rows],
        "patches": [patches for _ in rows],
        "patch_pairs": [patches**2 for _ in rows],
        "forbidden": [False for _ in rows],
    }
    return RowFacts(**{name: np.array(values) for name, values in columns.items()})


def _held(draft: Any) -> int:
    return sum(p.numel() * 12 for p in draft.parameters())


def _gradients(draft: Any) -> int:
    return sum(p.grad.nbytes for p in draft.parameters() if p.grad is not None)


def _rates() -> tuple[float, float]:
    a, b = (torch.randn(8192, 8192, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    matrix = 2 * 8192**3 / (_ms(lambda: a @ b, 20) / 1e3)
    x = torch.empty(2**31, dtype=torch.uint8, device=DEVICE)
    y = torch.empty_like(x)
    return matrix, 2 * x.nbytes / (_ms(lambda: y.copy_(x)) / 1e3)


def _ms(function: Callable[[], Any], count: int = 5) -> float:
    for _ in range(2):
        function()
    times = []
    for _ in range(count):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return sorted(times)[len(times) // 2]


if __name__ == "__main__":
    main()
