"""A draft exported before the algorithm seam and the packed hot path is walked in the same steps after them.

``exported_draft`` and ``walked.json`` come from the code of 28 Nov 2026 and are never made anew: a change that moves a
step is a change of what a draft says.
"""

import io
import json
import sys
from pathlib import Path

import pytest
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.jobs import evaluate, export
from job_runner import write_job

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from walk_target import write_walk_shards, write_walk_target  # noqa: E402

WALKED = json.loads((HERE / "walked.json").read_text())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("walk")
    write_walk_target(root / "target")
    write_walk_shards(root / "shards")
    return root


def walked(root, draft, work):
    job = write_job(
        work / "job.json",
        target=root / "target",
        shards=root / "shards",
        drafts={"trained": str(draft)},
        workDir=work / "evaluation",
        options={"device": "cpu", "threads": 1, "dtype": "fp32", "compareRows": 2},
    )
    evaluate.run(job, Events(io.StringIO()))
    report = json.loads((work / "evaluation" / "evaluation.json").read_text())["drafts"]["trained"]
    lines = [json.loads(line) for line in (work / "evaluation" / "steps.jsonl").read_text().splitlines()]
    steps = [[line[key] for key in ("dialogueId", "turn", "start", "end", "accepted")] for line in lines]
    return report["pooledAcceptLength"], steps


def test_same_steps_and_accept_length(root, tmp_path):
    pooled, steps = walked(root, HERE / "exported_draft", tmp_path)
    assert steps == WALKED["steps"]
    assert pooled == WALKED["pooledAcceptLength"]
    assert any(max(accepted) > 2 for *_, accepted in steps)


def test_exported_again_it_is_the_same_draft(root, tmp_path):
    kept = tmp_path / "checkpoints" / "untrained"
    kept.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (kept / name).write_bytes((HERE / "exported_draft" / name).read_bytes())
    job = write_job(
        tmp_path / "export.json",
        target=root / "target",
        checkpoints=tmp_path / "checkpoints",
        workDir=tmp_path / "out",
        options={"checkpoint": "untrained"},
    )
    export.run(job, Events(io.StringIO()))
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "out" / name).read_bytes() == (HERE / "exported_draft" / name).read_bytes(), name
