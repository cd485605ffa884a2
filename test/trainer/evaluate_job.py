"""The evaluate job in this process, and rows whose responses are what a tiny target says."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.data.images import PixelReader
from draftsmith_trainer.data.shards import ImageShards, RowShards
from draftsmith_trainer.jobs.evaluate import run
from job_runner import write_job
from reference_server.decode.response_loop import images_before
from sample import sample_row
from shard_maker import write_images, write_rows

#: The tiny targets' end of a sequence, at which a server stops.
STOP = 499


def write_greedy_shards(directory: Path, target_dir: Path, rows: int = 4, response: int = 12) -> Path:
    """Rows of two turns whose responses are what the target says, up to 14 tokens each; none of them ends early."""
    from reference_server.decode import greedy
    from reference_server.decode.decoder import Decoder

    target, made, pngs, seed = Decoder.load(target_dir), [], [], 99
    while len(made) < rows:
        seed += 1
        row, pictures = sample_row(seed, turns=2, response=response)
        row.images = write_images(directory, pictures)
        pngs += pictures
        write_images(directory, pictures)
        for number, (start, end) in enumerate(row.spans):
            write_rows(directory, "heldout", [row])
            reader = PixelReader(target_dir, ImageShards(directory))
            pixels, grid = reader.pixels(RowShards(directory, "heldout")[0])
            shown, grids = images_before(RowShards(directory, "heldout")[0], start, 2, pixels, grid)
            said = greedy.generate(target, torch.tensor(row.ids[:start]), shown, grids, max_new_tokens=end - start)
            assert shown.shape[0] == 16 * (number + 1)
            row.ids[start:end] = said.ids
        if not any(STOP in row.ids[start:end] for start, end in row.spans):
            made.append(row)
    write_images(directory, pngs)
    write_rows(directory, "heldout", made)
    return directory


def evaluate(tmp_path: Path, target: Path, drafts: dict[str, Path], **options: Any) -> tuple[Any, list[Any], Any]:
    job = write_job(
        tmp_path / "job.json",
        target=target,
        shards=tmp_path / "shards",
        drafts={name: str(path) for name, path in drafts.items()},
        workDir=tmp_path / "work",
        options=options,
    )
    out = io.StringIO()
    run(job, Events(out))
    report = json.loads((tmp_path / "work" / "evaluation.json").read_text())
    steps = [json.loads(line) for line in (tmp_path / "work" / "steps.jsonl").read_text().splitlines()]
    return report, steps, json.loads(out.getvalue().splitlines()[-1])
