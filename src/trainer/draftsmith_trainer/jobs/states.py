"""The ``states`` job: captures the states of some rows and compares them with those that a server returned."""

from __future__ import annotations

from pathlib import Path

from ..base.events import Events
from ..base.typed_json import read_job
from ..data.images import PixelReader
from ..data.shards import ImageShards, RowShards
from ..evaluate.options import StatesJob
from ..evaluate.states import LayerDifference, compare_row, neighbours
from ..parallel.device import choose_compute
from ..target import load_target, read_spec


def run(path: Path, events: Events) -> None:
    """Runs the comparison in the job file at ``path`` and prints a result event.

    Raises:
        UserError: for anything wrong with target, shards or the server's states.
    """
    job = read_job(StatesJob, path)
    compute = choose_compute(job.device, job.dtype, "auto", job.threads)
    spec = read_spec(job.target)
    target = load_target(spec, neighbours(job.layer_ids, spec.num_layers), compute.dtype, compute.device)
    pixels = PixelReader(job.target, ImageShards(job.shards))
    splits = {served.split: RowShards(job.shards, served.split) for served in job.rows}
    found = [LayerDifference(layer) for layer in job.layer_ids]
    for number, served in enumerate(job.rows):
        differences = compare_row(target, pixels, splits[served.split][served.row], served, job.layer_ids)
        for one, of_row in zip(found, differences, strict=True):
            one.add(of_row)
        events.progress(number + 1, len(job.rows), "rows")
    dtype = str(compute.dtype).removeprefix("torch.")
    counts = {"rows": len(job.rows), "tokens": sum(served.tokens for served in job.rows)}
    events.result(counts, {"dtype": dtype, "layers": [one.report() for one in found]})
