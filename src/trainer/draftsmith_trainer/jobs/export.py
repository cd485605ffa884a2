"""The ``export`` job: finds the checkpoint, checks it, writes the directory, and reads it back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..algorithms.engines import Verdict, verdicts
from ..algorithms.registry import algorithm_of
from ..algorithms.settings import config_json
from ..algorithms.store import load_draft, load_weights, read_config, read_weights, save_draft
from ..base.errors import UserError
from ..base.events import Events
from ..base.typed_json import read_job
from ..export.checks import check_export
from ..export.options import ExportJob
from ..target.spec import read_spec

_DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def run(path: Path, events: Events) -> None:
    """Runs the export in the job file at ``path``: writes config.json and model.safetensors to the work directory.

    Raises:
        UserError: ``export-*`` when engines would not serve the draft well, ``draft-*`` when it cannot be read.
    """
    job = read_job(ExportJob, path)
    spec = read_spec(job.target)
    source = find_checkpoint(job.checkpoints, job.options.checkpoint)
    # Engines compare this with the context length they serve; it does not affect the draft's computation.
    longest = job.options.max_position_embeddings or spec.max_position_embeddings
    config = replace(read_config(source), max_position_embeddings=longest)
    tensors = read_weights(source)
    checks = check_export(config, tensors, spec, list(job.options.allow_rotary))
    draft = algorithm_of(config).build(config)
    load_weights(draft, tensors, str(source))
    save_draft(draft, job.work_dir, _DTYPES[job.options.dtype])
    written = load_draft(job.work_dir)  # reads every byte back, so that a full disk fails here, not on the server
    sizes = [parameter.numel() for parameter in written.parameters()]
    counts = {
        "tensors": len(sizes),
        "parameters": sum(sizes),
        "bytes": (job.work_dir / "model.safetensors").stat().st_size,
    }
    engines = verdicts(config, spec)
    for verdict in engines:
        events.log(verdict.sentence, "info" if verdict.problem is None else "warn")
    facts = {"checkpoint": source.name, "config": config_json(written.config), "checks": checks}
    events.result(counts, {**facts, "engines": [_fact(verdict) for verdict in engines]})


def _fact(verdict: Verdict) -> dict[str, Any]:
    serves = verdict.problem is None
    return {"engine": verdict.engine, "versions": verdict.versions, "serves": serves, "why": verdict.problem}


def find_checkpoint(checkpoints: Path, name: str) -> Path:
    """The directory of checkpoint ``name``: best, last, untrained or step-00000123.

    Raises:
        UserError: ``checkpoint-missing``.
    """
    if name in ("best", "last"):
        path = checkpoints / "best.json"
        if not path.exists():
            raise UserError("checkpoint-missing", f"{checkpoints} has no best.json", "is this a checkpoints artifact?")
        best = json.loads(path.read_text("utf-8"))
        found = checkpoints / (best if name == "best" else best["last"])["path"]
    else:
        found = checkpoints / name if name == "untrained" else checkpoints / "checkpoints" / name
    if not found.is_dir():
        kept = sorted(one.name for one in (checkpoints / "checkpoints").glob("step-*"))
        raise UserError("checkpoint-missing", f"no checkpoint {name} in {checkpoints}", f"kept: {', '.join(kept)}")
    return found
