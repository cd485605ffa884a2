"""The ``plan`` job: estimates the cost of a training run from configs and the shards' columns. Loads no weights."""

from __future__ import annotations

from pathlib import Path

from ..base.events import Events
from ..base.typed_json import read_job
from ..plan.estimate import estimate
from ..plan.options import PlanJob
from ..plan.report import report_facts, report_lines


def run(path: Path, events: Events) -> None:
    """Plans the run in the job file at ``path`` and prints a result event.

    Its facts hold the plan as numbers and as ``lines``, and ``refusal`` (a message and a hint) if the run does not fit
    into memory.

    Raises:
        UserError: for anything wrong with options, target or shards.
    """
    plan = estimate(read_job(PlanJob, path))
    refusal = None if plan.refusal is None else vars(plan.refusal)
    events.result(plan.scope.counts or {}, {**report_facts(plan), "lines": report_lines(plan), "refusal": refusal})
