"""Formats a plan as text lines and as JSON."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from .cards import KNOWN
from .estimate import Estimate
from .fit import gib
from .timing import Timing


def report_lines(plan: Estimate) -> list[str]:
    """The plan in lines, most of them under 120 characters."""
    return [
        *_parameters(plan),
        *_rows(plan),
        *_memory(plan),
        *_operations(plan),
        *_times(plan),
    ]


def report_facts(plan: Estimate) -> dict[str, Any]:
    """The plan as JSON: times in seconds and hours, memory in bytes, operations per pass over the rows."""
    extent = plan.scope.extent
    return {
        "parameters": {
            "target": plan.target.total,
            "kept": plan.kept.total,
            "tower": plan.kept.tower,
            "draft": plan.draft,
        },
        "measuredRows": plan.scope.counts is not None,
        "rows": plan.scope.train.rows,
        "tokens": plan.scope.train.tokens,
        "supervised": plan.scope.train.supervised,
        "pictures": plan.scope.train.pictures,
        "steps": None if extent is None else extent.steps,
        "evaluations": None if extent is None else extent.evaluations,
        "memory": {**plan.memory.parts, "total": plan.memory.total},
        "operations": {**vars(plan.work), "total": plan.work.total},
        "cards": [
            {
                "name": timing.card.name,
                "memory": timing.card.memory,
                "share": timing.share,
                "floorSeconds": timing.floor,
                "stepSeconds": timing.step,
                "rowsPerSecond": timing.rows,
                "trainHours": timing.train,
                "evaluateHours": timing.evaluate,
            }
            for timing in plan.timings
        ],
    }


def _parameters(plan: Estimate) -> list[str]:
    count = plan.spec.num_layers
    last = max(plan.config.target_layer_ids) if plan.job.options.soft_labels is None else count - 1
    return [
        f"parameters: target {_count(plan.target.total)}, of which {_count(plan.kept.total)} are loaded"
        f" (layers 0 to {last} of {count}, tower {_count(plan.kept.tower)}); draft {_count(plan.draft)}"
    ]


def _rows(plan: Estimate) -> list[str]:
    scope, options, world = plan.scope, plan.job.options, plan.job.world
    train = scope.train
    if scope.expected:
        per = max(train.rows, 1)
        first = (
            f"rows: there are no shards yet; {train.rows:,.0f} rows of {train.tokens / per:,.0f} tokens,"
            f" {train.supervised / per:,.0f} supervised, {train.pictures / per:.1f} pictures are expected"
        )
    elif scope.counts is None:
        first = (
            f"rows: there are no shards yet, so every row is taken for {options.max_length:,} tokens with"
            f" {train.anchors / max(train.rows, 1):,.0f} blocks (the options' limits) and no picture"
        )
    else:
        per = max(train.rows, 1)
        rejected = scope.counts["rejected"]
        left_out = ", ".join(f"{count:,} {why}" for why, count in rejected.items() if count)  # type: ignore[attr-defined]
        first = (
            f"rows: {train.rows:,.0f}{f' ({left_out} left out)' if left_out else ''}; on average"
            f" {train.tokens / per:,.0f} tokens, {train.supervised / per:,.0f} supervised, {train.pictures / per:.1f}"
            f" pictures of {train.patches / max(train.pictures, 1):,.0f} patches"
        )
    if scope.extent is None:
        return [first, "steps: not known without shards, maxTrainRows or maxSteps"]
    extent = scope.extent
    second = (
        f"steps: {extent.steps:,} of {extent.batch} rows on {world} process{'es' if world > 1 else ''}"
        f" ({extent.passes:.3g} epochs, {_count(extent.passes * train.tokens)} tokens),"
        f" {extent.evaluations} evaluations"
    )
    if scope.saved:
        second += f"; kept states save {100 * scope.saved:.0f} % of target passes"
    return [first, second]


def _memory(plan: Estimate) -> list[str]:
    if plan.job.options.device == "cpu":
        return ["memory: not estimated for the CPU"]
    parts = [f"{name} {gib(size)}" for name, size in plan.memory.parts.items() if size >= 2**30 // 20]
    fits = [card.name for card in KNOWN if plan.memory.total <= card.memory]
    where = f"fits {' and '.join(fits)}" if fits else "fits no known card"
    head = f"memory: {gib(plan.memory.total)} GiB a GPU at the peak ({where}), in GiB:"
    return [head, *wrap(", ".join(parts), width=118, initial_indent="  ", subsequent_indent="  ")]


def _operations(plan: Estimate) -> list[str]:
    total, rows = plan.work.total, max(plan.scope.train.rows, 1)
    shares = ", ".join(f"{name} {100 * part / total:.0f} %" for name, part in vars(plan.work).items())
    return [f"operations: {total / rows / 1e12:.3g} TFLOP a row ({shares})"]


def _times(plan: Estimate) -> list[str]:
    names = {card.name for card in plan.here}
    if not plan.timings:
        return ["time: no rates are known for dtype fp32"]
    lines = [_time(timing, timing.card.name in names) for timing in plan.timings]
    unknown = names - {timing.card.name for timing in plan.timings}
    lines += [f"time on this {name}: its rates are not known" for name in sorted(unknown)]
    return [*lines, "  (start and compilation left out; shares of the floor are assumptions until measured)"]


def _time(timing: Timing, here: bool) -> str:
    where = f"this {timing.card.name}" if here else timing.card.name
    text = (
        f"time on {where}: {timing.rows:.3g} rows/s, {1000 * timing.step:,.0f} ms a step"
        f" (floor {1000 * timing.floor:,.0f} ms, share {timing.share:.2f})"
    )
    if timing.train is None or timing.evaluate is None:
        return text
    return f"{text}; {_hours(timing.train)} training and {_hours(timing.evaluate)} evaluating"


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _count(number: float) -> str:
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:,.0f}"
