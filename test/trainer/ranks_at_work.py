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


def train_with_a_bad_row(rank: int, jobs: list[str], bad_rank: int, step: int) -> None:
    """Trains; the captured states of ``bad_rank``'s rows are NaN in one step."""
    import io

    import torch
    from draftsmith_trainer.base.events import Events
    from draftsmith_trainer.feed import StateSource
    from draftsmith_trainer.jobs.train import run

    states, count = StateSource.states, 0

    def poisoned(source, split, work, room=0):  # type: ignore[no-untyped-def]
        nonlocal count
        made = states(source, split, work, room)
        count += split == "train"
        return torch.full_like(made, torch.nan) if split == "train" and (rank, count) == (bad_rank, step) else made

    StateSource.states = poisoned  # type: ignore[method-assign]
    run(Path(jobs[rank]), Events(io.StringIO(), quiet=rank != 0))


def _until_stopped(job: str, rank: int) -> str:
    import io

    from draftsmith_trainer.base.events import Events
    from draftsmith_trainer.jobs.train import run

    try:
        run(Path(job), Events(io.StringIO(), quiet=rank != 0))
    except Interrupted:
        return "stopped"
    return "finished"


def train_and_stop_in_a_step(rank: int, jobs: list[str], asked: int, step: int) -> str:
    """Trains; rank ``asked`` gets SIGUSR1 in optimizer step ``step``; how the run ended."""
    import os
    import signal

    from draftsmith_trainer.train.loop import Trainer

    stepping = Trainer._step

    def stopping(self, progress, *rest):  # type: ignore[no-untyped-def]
        if rank == asked and progress.step + 1 == step:
            os.kill(os.getpid(), signal.SIGUSR1)
        return stepping(self, progress, *rest)

    Trainer._step = stopping  # type: ignore[method-assign]
    return _until_stopped(jobs[rank], rank)


def train_and_stop_in_a_sharded_evaluation(rank: int, jobs: list[str], asked: int) -> tuple[str, int]:
    """Rank ``asked`` gets SIGTERM in the first pass of its second evaluation; how it ended, after how many passes."""
    import os
    import signal

    from draftsmith_trainer.measure.measurer import Measurer
    from draftsmith_trainer.train.loop import Trainer

    walks, evaluate, began, count = Measurer.walks, Trainer._evaluate, False, 0

    def later(self, progress):  # type: ignore[no-untyped-def]
        nonlocal began
        began = True
        return evaluate(self, progress)

    def walking(self, work, states):  # type: ignore[no-untyped-def]
        nonlocal count
        if began:
            count += 1
            if rank == asked:
                os.kill(os.getpid(), signal.SIGTERM)
        return walks(self, work, states)

    Measurer.walks, Trainer._evaluate = walking, later  # type: ignore[method-assign]
    return _until_stopped(jobs[rank], rank), count


def train_slowly(rank: int, jobs: list[str], slow_rank: int, what: str, seconds: float) -> list[dict]:
    """Trains; one thing takes ``slow_rank`` far longer, once after the first step, than a collective may; its events.

    Args:
        what: "write" a state, "copy" it to the host, or "decode" the pictures of a row.
    """
    import io

    from draftsmith_trainer.base.events import Events
    from draftsmith_trainer.jobs.train import run
    from draftsmith_trainer.target.pictures import PictureSource
    from draftsmith_trainer.train.loop import Trainer
    from draftsmith_trainer.train.snapshot import Snapshot
    from draftsmith_trainer.train.state import StateStore

    short_timeout(seconds / 3)
    steps, slept = 0, False
    places = {"write": (StateStore, "write"), "copy": (Snapshot, "take"), "decode": (PictureSource, "pixels")}
    owner, name = places[what]
    original, stepping = getattr(owner, name), Trainer._step

    def counted(self, *arguments):  # type: ignore[no-untyped-def]
        nonlocal steps
        steps += 1
        return stepping(self, *arguments)

    def slow(self, *arguments):  # type: ignore[no-untyped-def]
        nonlocal slept
        if rank == slow_rank and steps > 1 and not slept:
            slept = True
            time.sleep(seconds)
        return original(self, *arguments)

    Trainer._step = counted  # type: ignore[method-assign]
    setattr(owner, name, slow)
    out = io.StringIO()
    run(Path(jobs[rank]), Events(out, quiet=rank != 0))
    assert slept == (rank == slow_rank), "the slow thing never happened"
    return [json.loads(line) for line in out.getvalue().splitlines()]


def stuck_while_another_dies(rank: int, note: str) -> str:
    """Rank 0 waits in C++ for rank 1, which is killed; what the watch tells before it ends the process."""
    import os
    import signal

    from draftsmith_trainer.parallel import watch

    watch.GRACE = 0.5
    told = Path(note).with_suffix(".told")
    with join_ranks("cpu") as ranks, ranks.together(lambda error: told.write_text(f"{error.code}: {error.message}")):
        ranks.wait()
        if rank == 1:
            Path(note).write_text("here")
            os.kill(os.getpid(), signal.SIGKILL)
        # As a NCCL collective does: not a Python instruction until it ends.
        time.sleep(600)
    return "went on"


def a_collective_fails_when_another_dies(rank: int, note: str) -> str:
    """Rank 1 is killed while rank 0 waits in an all-reduce of gloo."""
    import os
    import signal

    import torch

    try:
        with join_ranks("cpu") as ranks, ranks.together(lambda _: None):
            ranks.wait()
            if rank == 1:
                Path(note).write_text("here")
                os.kill(os.getpid(), signal.SIGKILL)
            ranks.sum(torch.ones(1))
    except UserError as error:
        return f"{error.code}: {error.message}"
    return "went on"


def meet_often(rank: int, times: int) -> int:
    """Meets; the slower rank changes. How many keys of meetings are left in the store at most."""
    with join_ranks("cpu") as ranks:
        assert ranks.board is not None
        for number in range(times):
            if number % 3 == rank:
                time.sleep(0.01)
            ranks.meet()
        ranks.wait()
        left = sum(ranks.board._has(f"meeting/{number}") for number in range(times))
        ranks.wait()
        return left


def meet_the_slow_one(rank: int, seconds: float) -> float:
    """Seconds that this rank waited in a meeting that rank 1 comes to late; then a collective that lasts no second."""
    import torch

    short_timeout(1)
    with join_ranks("cpu") as ranks:
        ranks.wait()
        if rank == 1:
            time.sleep(seconds)
        began = time.monotonic()
        ranks.meet()
        waited = time.monotonic() - began
        assert ranks.sum(torch.ones(1)).item() == 2
        return waited


def machines_apart(rank: int, note: str) -> str:
    """Rank 0 on one machine, 1 and 2 on another: they tell rank 0, which has no link to them, that rank 2 died."""
    import os
    import signal

    from draftsmith_trainer.parallel import links, watch

    watch.GRACE = 0.5
    links._machine = lambda: "first" if rank == 0 else "second"
    told = Path(note).with_suffix(f".{rank}")
    with join_ranks("cpu") as ranks, ranks.together(lambda error: told.write_text(f"{error.code}: {error.message}")):
        ranks.wait()
        if rank == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)
    return "went on"


def die_before_a_step(rank: int, jobs: list[str], step: int) -> str:
    """Trains; rank 1 is killed before it takes part in optimizer step ``step``; how the run ended on rank 0."""
    import os
    import signal

    from draftsmith_trainer.train.loop import Trainer

    stepping = Trainer._step

    def dying(self, progress, *rest):  # type: ignore[no-untyped-def]
        if rank == 1 and progress.step + 1 == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return stepping(self, progress, *rest)

    Trainer._step = dying  # type: ignore[method-assign]
    try:
        return _until_stopped(jobs[rank], rank)
    except UserError as error:
        return error.code


def a_machine_vanishes(rank: int, note: str) -> str:
    """Rank 1's machine stands still, its connections open; what rank 0 is told while it waits on the board."""
    import os
    import signal

    from draftsmith_trainer.parallel import links, pulse, watch

    watch.GRACE, pulse.BEAT, pulse.MISSED = 0.5, 0.2, 4
    links._machine = lambda: f"machine-{rank}"
    told = Path(note).with_suffix(f".{rank}")
    with join_ranks("cpu") as ranks, ranks.together(lambda error: told.write_text(f"{error.code}: {error.message}")):
        ranks.wait()
        # Long enough that a machine which is only busy would have been taken for gone.
        time.sleep(15)
        ranks.wait()
        if rank == 1:
            Path(note).write_text("here")
            os.kill(os.getpid(), signal.SIGSTOP)
        ranks.meet()
    return "went on"
