"""Walks every draft over the same rows, and runs a real loop over some of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from torch import Tensor

from ..base.errors import UserError
from ..base.events import Events
from ..data.shards import Row, RowShards
from ..draft.config import DraftConfig
from ..draft.fit import fit_problem
from ..draft.model import DFlashDraft
from ..draft.tiles import TILE
from ..evaluate.options import EvaluateJob, EvaluateOptions
from ..feed import PackWork, Preparer, StateSource
from ..feed.ahead import announced
from ..feed.packing import pack_target
from ..measure.measurer import Measurer, ResponseWalk
from ..parallel.device import Compute
from ..target import Target, TargetSpec
from ..target.packed import PackedTarget
from ..target.pictures import PictureSource
from .compare import Comparison, Loop, MakeLoop
from .figures import DraftFigures
from .groups import paired
from .latency import LatencyPoint, MeasureLatency

#: The walks of a row's responses, by draft name.
Walks = dict[str, list[ResponseWalk]]


def check_drafts(drafts: dict[str, DFlashDraft], job: EvaluateJob, spec: TargetSpec) -> None:
    """Rejects drafts of another target, and unknown draft names.

    Raises:
        UserError: ``no-drafts``, ``draft-target``, ``bad-option``.
    """
    if not drafts:
        raise UserError("no-drafts", "drafts is empty: there is nothing to evaluate")
    for name, draft in drafts.items():
        problem = fit_problem(draft.config, spec)
        if problem:
            message = f"draft {name} ({job.drafts[name]}) was made for a target other than {spec.directory}: {problem}"
            raise UserError("draft-target", message, "evaluate it with the target that it was trained for")


def open_rows(shards: Path, options: EvaluateOptions) -> tuple[list[Row], dict[str, Any]]:
    """The rows to measure and their counts.

    Raises:
        UserError: ``no-rows``.
    """
    split = RowShards(shards, options.split)
    limit = min(len(split), options.rows or len(split))
    kept = [split[i] for i in range(limit) if split.lengths[i] <= options.max_length]
    if not kept:
        raise UserError("no-rows", f"{shards}: no {options.split} row of at most {options.max_length} tokens")
    return kept, {"read": limit, "kept": len(kept), "rejected": {"too-long": limit - len(kept)}}


class Evaluation:
    """Walks all drafts over rows; drafts that read the same layers share the states of each row."""

    def __init__(
        self,
        target: Target,
        drafts: dict[str, DFlashDraft],
        pictures: PictureSource,
        options: EvaluateOptions,
        compute: Compute,
        events: Events,
        make_loop: MakeLoop,
        measure_latency: MeasureLatency,
    ) -> None:
        self._target, self._drafts, self._pictures = target, drafts, pictures
        self._options, self._compute, self._events = options, compute, events
        self._make_loop, self._measure_latency = make_loop, measure_latency
        self._packers: dict[tuple[int, ...], PackedTarget | None] = {}
        self._sources: dict[tuple[int, ...], StateSource] = {}

    def measure(self, rows: list[Row], write_line: Any) -> dict[str, Any]:
        """The ``drafts`` and ``comparison`` parts of evaluation.json."""
        options = self._options
        marked = options.place_figures
        figures = {name: DraftFigures(draft.config.block_size, marked) for name, draft in self._drafts.items()}
        # The loop supports images only, so rows with videos are walked but not compared.
        comparable = [number for number, row in enumerate(rows) if not row.video_frames]
        compared = set(comparable[: options.compare_rows])
        names = [name for name in options.compare_drafts if name in self._drafts] if compared else []
        loops = {name: self._loop(self._drafts[name]) for name in names}
        comparisons = {name: Comparison() for name in names}
        for number, (row, walks) in enumerate(self._walked(rows)):
            for name, responses in walks.items():
                for one in responses:
                    figures[name].add(one)
                    write_line(json.dumps(step_line(name, one)) + "\n")
                    if name in loops and number in compared and one.accepted:
                        comparisons[name].add(one, loops[name](row, one.start, one.end))
            self._events.progress(number + 1, len(rows), "rows")
        self._events.log("computing intervals and groups")
        return {
            "drafts": {name: one.report(options.break_even) for name, one in figures.items()},
            "paired": self._pairs(figures),
            "latencies": self._latencies([rows[number] for number in comparable]),
            "rowsWithVideos": len(rows) - len(comparable),
            "comparison": {name: comparison.report(len(compared)) for name, comparison in comparisons.items()},
        }

    def _latencies(self, rows: list[Row]) -> list[dict[str, Any]]:
        """Latencies of every draft at every concurrency that is asked for; drafts of one shape are measured once."""
        known: dict[DraftConfig, list[LatencyPoint]] = {}
        made = []
        for name, draft in self._drafts.items():
            points = known.setdefault(draft.config.with_dtype("float32"), [])
            for concurrency in self._options.latency_concurrency[len(points) :] if rows else []:
                self._events.log(f"measuring the latencies of {concurrency} sequences")
                target = self._of(draft.config.target_layer_ids)
                points.append(self._measure_latency(target, draft, self._pictures.reader, rows, concurrency))
            if points:
                made.append(
                    {"draft": name, "source": "reference decoder", "points": [point.report() for point in points]}
                )
        return made

    @staticmethod
    def _pairs(figures: dict[str, DraftFigures]) -> list[dict[str, Any]]:
        """Every two drafts on the same responses: the untrained one is a baseline for all, the trained one for none."""
        return [
            {"draft": draft, "baseline": baseline, **paired(figures[draft].records, figures[baseline].records)}
            for baseline, draft in combinations(sorted(figures, key=_baseline_first), 2)
        ]

    def _walked(self, rows: list[Row]) -> Iterator[tuple[Row, Walks]]:
        """Yields each row with every draft's walks over it, in row order, whatever order packs finish in."""
        measurers = {name: self._measurer(draft) for name, draft in self._drafts.items()}
        done: dict[int, Walks] = {}
        coming = iter(rows)
        row = next(coming, None)
        plans = zip(*(one.plan(rows) for one in measurers.values()), strict=True)
        for works in announced(plans, self._expect):
            for number, walks in self._pack_walks(dict(zip(measurers, works, strict=True)), measurers).items():
                done[number] = walks
            while row is not None and row.index in done:
                yield row, done.pop(row.index)
                row = next(coming, None)

    def _expect(self, works: tuple[PackWork, ...]) -> None:
        for ids in {draft.config.target_layer_ids: None for draft in self._drafts.values()}:
            self._source(ids).expect(self._options.split, works[0])

    def _pack_walks(self, works: dict[str, PackWork], measurers: dict[str, Measurer]) -> dict[int, Walks]:
        captured: dict[tuple[int, ...], Tensor] = {}
        made: dict[int, Walks] = {}
        for name, work in works.items():
            ids = self._drafts[name].config.target_layer_ids
            if ids not in captured:
                captured[ids] = self._source(ids).states(self._options.split, work, TILE)
            for one in measurers[name].walks(work, captured[ids], self._options.place_figures):
                made.setdefault(one.row.index, {}).setdefault(name, []).append(one)
        for row in next(iter(works.values())).rows:
            made.setdefault(row.index, {})
        return made

    def _measurer(self, draft: DFlashDraft) -> Measurer:
        compute, config = self._compute, draft.config
        preparer = Preparer(
            self._of(config.target_layer_ids),
            config,
            compute.attention,
            packed=self._packed(config.target_layer_ids) is not None,
            pack_tokens=self._options.pack_tokens,
            draft_tokens=self._options.batch_blocks * config.block_size,
        )
        return Measurer(self._of(config.target_layer_ids), draft, preparer, compute.autocast)

    def _source(self, ids: tuple[int, ...]) -> StateSource:
        if ids not in self._sources:
            self._sources[ids] = StateSource(self._of(ids), self._pictures, 0, self._packed(ids))
        return self._sources[ids]

    def _packed(self, ids: tuple[int, ...]) -> PackedTarget | None:
        if ids not in self._packers:
            self._packers[ids] = pack_target(self._of(ids), self._options.slow_recurrence)
        return self._packers[ids]

    def _of(self, ids: tuple[int, ...]) -> Target:
        """The target with the captured layers of a draft."""
        target = self._target
        return Target(target.spec, target.model, ids, target.embed, target.lm_head)

    def _loop(self, draft: DFlashDraft) -> Loop:
        return self._make_loop(self._of(draft.config.target_layer_ids), draft, self._pictures.reader)


def _baseline_first(name: str) -> tuple[int, str]:
    """Order in which drafts are baselines of those after them."""
    return {"untrained": 0, "other": 1, "trained": 3}.get(name, 2), name


def step_line(name: str, one: ResponseWalk) -> dict[str, Any]:
    """One line of steps.jsonl."""
    turns = one.row.turns
    return {
        "draft": name,
        "dialogueId": one.row.dialogue_id,
        "row": one.row.row,
        "turn": turns[one.response] if one.response < len(turns) else one.response,
        "start": one.start,
        "end": one.end,
        "accepted": one.accepted,
    }


def evaluation_facts(report: dict[str, Any]) -> dict[str, Any]:
    """The facts of the result event."""
    drafts, comparison = report["drafts"], report["comparison"]
    return {
        "pooledAcceptLength": {name: one["pooledAcceptLength"] for name, one in drafts.items()},
        "aboveBreakEven": {name: one["aboveBreakEven"] for name, one in drafts.items()},
        "stepsAgree": all(one["differingSteps"] == 0 for one in comparison.values()),
        "outputsEqual": all(one["equalOutputs"] == one["responses"] for one in comparison.values()),
    }
