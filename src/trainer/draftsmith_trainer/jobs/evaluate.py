"""The ``evaluate`` job: loads target, drafts and rows, and the loop that the walk is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..algorithms.store import load_draft
from ..base.events import Events
from ..base.files import write_json
from ..base.phase import phase
from ..base.typed_json import read_job
from ..data.images import PixelReader
from ..data.shards import ImageShards, Row
from ..draft.model import DFlashDraft
from ..evaluate.compare import Loop
from ..evaluate.evaluation import Evaluation, check_drafts, evaluation_facts, open_rows
from ..evaluate.latency import LatencyPoint
from ..evaluate.options import EvaluateJob
from ..parallel.device import choose_compute
from ..target import Target, load_target, read_spec
from ..target.pictures import open_pictures
from ..target.weights import check_weights


def run(path: Path, events: Events) -> None:
    """Runs the evaluation in the job file at ``path``, writes evaluation.json and steps.jsonl, prints a result event.

    Raises:
        UserError: for anything wrong with options, target, drafts or shards.
    """
    job = read_job(EvaluateJob, path)
    options = job.options
    compute = choose_compute(options.device, options.dtype, options.attention, options.threads)
    spec = read_spec(job.target)
    check_weights(job.target)
    drafts = {name: load_draft(directory).to(compute.device) for name, directory in sorted(job.drafts.items())}
    check_drafts(drafts, job, spec)
    rows, counts = open_rows(job.shards, options)
    ids = sorted({k for draft in drafts.values() for k in draft.config.target_layer_ids})
    whole = options.compare_rows != 0 or bool(options.latency_concurrency)
    with phase(events, "loading the target"):
        target = load_target(spec, tuple(ids), compute.dtype, compute.device, whole=whole)
    job.work_dir.mkdir(parents=True, exist_ok=True)
    with (
        open_pictures(job.target, ImageShards(job.shards), target.device) as pictures,
        (job.work_dir / "steps.jsonl").open("w", encoding="utf-8") as steps,
    ):
        evaluation = Evaluation(target, drafts, pictures, options, compute, events, _loop, _latency)
        report = evaluation.measure(rows, steps.write)
    report = {"schemaVersion": 1, "split": options.split, "rows": counts, "breakEven": options.break_even, **report}
    write_json(job.work_dir / "evaluation.json", report)
    events.result(counts, evaluation_facts(report))


def _loop(target: Target, draft: DFlashDraft, pixels: PixelReader) -> Loop:
    """The reference server's draft-and-verify loop, imported only when rows are compared."""
    from reference_server.decode.response_loop import speculative_loop

    return speculative_loop(target, draft, pixels)


def _latency(
    target: Target, draft: DFlashDraft, pixels: PixelReader, rows: Sequence[Row], concurrency: int
) -> LatencyPoint:
    """The reference server's latencies, likewise."""
    from reference_server.decode.latency import measure_latency

    return measure_latency(target, draft, pixels, rows, concurrency)
