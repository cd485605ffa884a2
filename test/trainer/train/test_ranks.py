"""Two processes learn what one process with twice the batch learns; torchrun with one process changes nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from job_runner import environment, run_job, tree, write_job
from safetensors.torch import load_file
from sample import write_shards

OPTIONS = {
    "draft": {"layers": 1, "blockSize": 4, "intermediateSize": 64, "maskTokenId": 510},
    "epochs": 2,
    "anchors": 5,
    "lr": 0.002,
    "device": "cpu",
    "threads": 1,
}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    # 9 rows: with batches of 4 and of 2 x 2 the last batch holds one row, so that one rank has nothing to do.
    return write_shards(tmp_path_factory.mktemp("shards"), train=9, heldout=3)


def train(root: Path, target: Path, shards: Path, processes: int, **options):
    (root / "work").mkdir(parents=True)
    job = write_job(
        root / "job.json",
        target=target,
        shards=shards,
        workDir=root / "work",
        resumeDir=root / "resume",
        options={**OPTIONS, **options},
    )
    return run_job("train", job, processes)


def last_weights(root: Path) -> dict[str, torch.Tensor]:
    best = json.loads((root / "work" / "best.json").read_text())
    return load_file(root / "work" / best["last"]["path"] / "model.safetensors")


@pytest.mark.parametrize("dpace", [None, 0.5])
def test_two_ranks_equal_one(tmp_path, target_dirs, shards, dpace):
    target = target_dirs["qwen3_vl"]
    one = train(tmp_path / "one", target, shards, 1, batchSize=4, dpaceAlpha=dpace)
    two = train(tmp_path / "two", target, shards, 2, batchSize=2, dpaceAlpha=dpace)
    assert sum(event["type"] == "result" for event in two) == 1, "only rank 0 may speak"
    assert one[-1]["facts"]["steps"] == two[-1]["facts"]["steps"] == 6
    wanted = last_weights(tmp_path / "one")
    untrained = load_file(tmp_path / "one" / "work" / "untrained" / "model.safetensors")
    for name, tensor in last_weights(tmp_path / "two").items():
        moved = (wanted[name] - untrained[name]).abs().max()
        assert moved > 1e-4, f"{name} was not trained"
        assert (tensor - wanted[name]).abs().max() < 0.05 * moved, name
    assert one[-1]["facts"]["untrained"] == two[-1]["facts"]["untrained"]


def test_single_process_under_torchrun(tmp_path, target_dirs, shards):
    target = target_dirs["qwen3_vl"]
    train(tmp_path / "plain", target, shards, 1, batchSize=4)
    (tmp_path / "torchrun" / "work").mkdir(parents=True)
    text = (tmp_path / "plain" / "job.json").read_text().replace("/plain/", "/torchrun/")
    (tmp_path / "job.json").write_text(text)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
    command += ["--log-dir", str(tmp_path / "logs"), "-m"]
    command += ["draftsmith_trainer", "train", "--config", str(tmp_path / "job.json")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=200, check=False)
    assert done.returncode == os.EX_OK, done.stderr[-2000:]
    assert tree(tmp_path / "torchrun" / "work") == tree(tmp_path / "plain" / "work")
