"""Every draft walked over the same rows, and some of them run for real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..algorithms.contract import fit_problem
from ..base.errors import UserError
from ..base.events import Events
from ..data.images import PixelReader
from ..data.shards import Row, RowShards
from ..draft.model import DFlashDraft
from ..evaluate.options import EvaluateJob, EvaluateOptions
from ..measure.measurer import Measurer, ResponseWalk
from ..measure.tally import Tally
from ..parallel.device import Compute
from ..target import Target, TargetSpec
from ..target.states import StateSource
from .compare import Comparison, Loop, MakeLoop


def check_drafts(drafts: dict[str, DFlashDraft], job: EvaluateJob, spec: TargetSpec) -> None:
    """Refuses drafts of another target, and names that do not exist.

    Raises:
        UserError: ``no-drafts``, ``draft-target``, ``bad-option``.
    """
    if not drafts:
        raise UserError("no-drafts", "drafts is empty: there is nothing to evaluate")
    for name, draft in drafts.items():
        problem = fit_problem(draft.config, spec)
        if problem:
            message = f"draft {name} ({job.drafts[name]}) was made for another target than {spec.directory}: {problem}"
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
    """Walks all drafts over rows, one row at a time, so that each row's states are computed once."""

    def __init__(
        self,
        target: Target,
        drafts: dict[str, DFlashDraft],
        pixels: PixelReader,
        options: EvaluateOptions,
        compute: Compute,
        events: Events,
        make_loop: MakeLoop,
    ) -> None:
        self._target, self._drafts, self._pixels = target, drafts, pixels
        self._options, self._compute, self._events = options, compute, events
        self._make_loop = make_loop

    def measure(self, rows: list[Row], write_line: Any) -> dict[str, Any]:
        """The ``drafts`` and ``comparison`` parts of evaluation.json."""
        options = self._options
        tallies = {name: Tally(draft.config.block_size) for name, draft in self._drafts.items()}
        measurers = {name: self._measurer(draft) for name, draft in self._drafts.items()}
        sources = {name: self._source(draft) for name, draft in self._drafts.items()}
        # The loop decodes from images only; rows with videos are walked and not compared.
        comparable = [number for number, row in enumerate(rows) if not row.video_frames]
        compared = set(comparable[: options.compare_rows])
        names = [name for name in options.compare_drafts if name in self._drafts] if compared else []
        loops = {name: self._loop(self._drafts[name]) for name in names}
        comparisons = {name: Comparison() for name in names}
        for number, row in enumerate(rows):
            captured = {}
            for name, measurer in measurers.items():
                ids = self._drafts[name].config.target_layer_ids
                if ids not in captured:
                    captured[ids] = sources[name].row(options.split, row)
                for one in measurer.walks(row, captured[ids]):
                    tallies[name].add(one.start, one.end, one.accepted)
                    write_line(json.dumps(step_line(name, one)) + "\n")
                    if name in loops and number in compared and one.accepted:
                        comparisons[name].add(one, loops[name](row, one.start, one.end))
            self._events.progress(number + 1, len(rows), "rows")
        reports = {name: self._verdict(tally) for name, tally in tallies.items()}
        return {
            "drafts": {name: {**report, "blockSize": tallies[name].block_size} for name, report in reports.items()},
            "rowsWithVideos": len(rows) - len(comparable),
            "comparison": {name: comparison.report(len(compared)) for name, comparison in comparisons.items()},
        }

    def _verdict(self, tally: Tally) -> dict[str, Any]:
        return {**tally.report(), "aboveBreakEven": tally.pooled >= self._options.break_even}

    def _measurer(self, draft: DFlashDraft) -> Measurer:
        compute = self._compute
        return Measurer(self._of(draft), draft, compute.attention, self._options.batch_blocks, compute.autocast)

    def _source(self, draft: DFlashDraft) -> StateSource:
        return StateSource(self._of(draft), self._pixels, 0)

    def _of(self, draft: DFlashDraft) -> Target:
        """The target as this draft reads it: drafts may want different layers."""
        target = self._target
        return Target(target.spec, target.model, draft.config.target_layer_ids, target.embed, target.lm_head)

    def _loop(self, draft: DFlashDraft) -> Loop:
        return self._make_loop(self._of(draft), draft, self._pixels)


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
