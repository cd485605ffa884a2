"""What the tests of this room run on ranks of their own."""

from __future__ import annotations

import functools
import json
import time
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist
from draftsmith_trainer.base.errors import Interrupted, UserError
from draftsmith_trainer.parallel.ranks import join_ranks


def short_timeout(seconds: float) -> None:
    """Collectives of the process group that is joined next time out after ``seconds``."""
    limit = timedelta(seconds=seconds)
    dist.init_process_group = functools.partial(dist.init_process_group, timeout=limit)


def talk(rank: int) -> list[list[str]]:
    with join_ranks("cpu") as ranks:
        heard = []
        for number in range(5):
            if rank == number % 3:
                time.sleep(0.05)
            heard.append(ranks.gather(f"{rank} in {number}"))
            ranks.wait()
        return heard


def wait_for_the_slow_one(rank: int, seconds: float) -> tuple[list[str], set[int]]:
    short_timeout(1)
    missed: set[int] = set()
    with join_ranks("cpu") as ranks:
        if rank == 1:
            time.sleep(seconds)
        heard = ranks.gather(str(rank), waiting=missed.update)
        ranks.wait()
    return heard, missed


def wait_for_the_dead(rank: int, note: str) -> str:
    with join_ranks("cpu") as ranks:
        ranks.wait()
        if rank == 1:
            Path(note).write_text("here")
            time.sleep(600)
        try:
            ranks.wait()
        except UserError as error:
            return f"{error.code}: {error.message}"
    return "nobody died"


def one_fails(rank: int) -> str:
    try:
        with join_ranks("cpu") as ranks:
            ranks.wait()
            if rank == 0:
                raise ValueError("on purpose")
            ranks.wait()
    except (UserError, ValueError) as error:
        return str(error)
    return "nothing happened"


def all_stop(rank: int) -> str:
    try:
        with join_ranks("cpu") as ranks:
            # Rank 0, which holds the store, has all it needs before rank 1 has looked.
            if rank == 1:
                time.sleep(0.3)
            ranks.wait()
            raise Interrupted
    except Interrupted:
        return "stopped"


def flags(rank: int) -> tuple[bool, bool, int]:
    with join_ranks("cpu") as ranks:
        board = ranks.board
        assert board is not None
        if rank == 1:
            board.call("stop")
        board.count("rows", rank + 1)
        while not board.called("stop") or board.count("rows", 0) < 3:
            time.sleep(0.01)
        seen = board.called("stop"), board.count("rows", 0)
        ranks.wait()
        return seen[0], board.called("stop"), seen[1]


def train_with_a_slow_evaluation(rank: int, jobs: list[str], seconds: float) -> list[str]:
    """Trains; rank 1 takes ``seconds`` longer in its first evaluation than a collective may last."""
    import io

    from draftsmith_trainer.base.events import Events
    from draftsmith_trainer.jobs.train import run
    from draftsmith_trainer.measure.measurer import Measurer

    short_timeout(seconds / 3)
    if rank == 1:
        walks, slept = Measurer.walks, []

        def slow(self, work, states):  # type: ignore[no-untyped-def]
            if not slept:
                slept.append(time.sleep(seconds))
            return walks(self, work, states)

        Measurer.walks = slow  # type: ignore[method-assign]
    out = io.StringIO()
    run(Path(jobs[rank]), Events(out, quiet=rank != 0))
    return [json.dumps(json.loads(line)) for line in out.getvalue().splitlines()]


def train_and_stop_rank_1(rank: int, jobs: list[str]) -> tuple[str, int]:
    """Rank 1 is asked to stop in the first pass of its second evaluation; how the run ended, after how many passes."""
    import io
    import os
    import signal

    from draftsmith_trainer.base.events import Events
    from draftsmith_trainer.jobs.train import run
    from draftsmith_trainer.measure.measurer import Measurer
    from draftsmith_trainer.train.loop import Trainer

    walks, evaluate, count, began = Measurer.walks, Trainer._evaluate, 0, False

    def later(self, progress):  # type: ignore[no-untyped-def]
        nonlocal began
        began = True
        return evaluate(self, progress)

    def counted(self, work, states):  # type: ignore[no-untyped-def]
        nonlocal count
        if began:
            count += 1
            if rank == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                time.sleep(1)
        return walks(self, work, states)

    Measurer.walks, Trainer._evaluate = counted, later  # type: ignore[method-assign]
    try:
        run(Path(jobs[rank]), Events(io.StringIO(), quiet=rank != 0))
    except Interrupted:
        return "stopped", count
    return "finished", count


def losses_of(rank: int, jobs: list[str], packed: bool) -> tuple[list[float], list[float], int, int]:
    """Trains on this rank: losses and accept lengths (rank 0), elements of the first target layer here, idle passes."""
    import io

    import draftsmith_trainer.jobs.train as job
    from draftsmith_trainer.base.events import Events
    from draftsmith_trainer.feed import StateSource
    from draftsmith_trainer.target.packed import PackedTarget
    from draftsmith_trainer.train import run_log

    run_log.LOG_EVERY = 1
    load, idle, kept, idled = job.load_target, StateSource.idle, [0], [0]

    def loaded(*arguments, **named):  # type: ignore[no-untyped-def]
        target = load(*arguments, **named)
        for parameter in target.model.model.language_model.layers[0].parameters():
            here = parameter.to_local() if hasattr(parameter, "to_local") else parameter
            kept[0] += here.numel()
        return target

    def counted(self, passes):  # type: ignore[no-untyped-def]
        idled[0] += passes
        idle(self, passes)

    job.load_target, StateSource.idle = loaded, counted
    if packed:
        job.pack_target = lambda target, _slow: PackedTarget(target, compile_=False)
    out = io.StringIO()
    job.run(Path(jobs[rank]), Events(out, quiet=rank != 0))
    metrics = [json.loads(line) for line in out.getvalue().splitlines() if '"metric"' in line]
    values = [event["values"] for event in metrics if event.get("type") == "metric"]
    losses = [one["loss"] for one in values if "loss" in one]
    return losses, [one["meanAcceptLength"] for one in values if "meanAcceptLength" in one], kept[0], idled[0]
