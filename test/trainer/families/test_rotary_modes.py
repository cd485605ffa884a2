"""Partial and mrope drafts of every type: trained, walked, held against a real loop, and not served by default."""

import json

import pytest
from evaluate_job import write_greedy_shards
from job_runner import run_job, write_job
from sample import write_shards
from target_maker import MODEL_TYPES

STEPS = 40


@pytest.mark.parametrize("mode", ["partial", "mrope"])
@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_trains_and_evaluates(tmp_path, target_dirs, kind, mode):
    if mode == "partial" and kind.startswith("qwen3_vl"):
        pytest.skip("these targets rotate the whole head: a partial draft is a plain one")
    shards = write_shards(tmp_path / "shards", train=8, heldout=1)
    draft = {"layers": 1, "blockSize": 4, "maskTokenId": 510, "rotary": mode, "targetLayerIds": [3, 4]}
    options = {"draft": draft, "maxSteps": STEPS, "epochs": 50, "batchSize": 4, "anchors": 16, "lr": 2e-2}
    common = {"target": target_dirs[kind], "shards": shards}
    work = tmp_path / "checkpoints"
    run_job(
        "train",
        write_job(
            tmp_path / "train.json",
            **common,
            workDir=work,
            resumeDir=tmp_path / "resume",
            options={**options, "device": "cpu", "stateCacheMb": 64},
        ),
    )
    lines = (work / "metrics.jsonl").read_text().splitlines()
    losses = [one["loss"] for one in map(json.loads, lines) if "loss" in one]
    # A random head has small logits, so the loss moves slowly from the logarithm of the vocabulary.
    assert len(losses) > 2 and losses[-1] < losses[0] - 0.1
    config = json.loads((work / "untrained" / "config.json").read_text())
    assert config["model_type"] == "qwen3"
    factor = 0.5 if kind.startswith("qwen3_5") else 1.0
    assert config["rope_parameters"]["partial_rotary_factor"] == config["partial_rotary_factor"] == factor
    assert ("mrope_section" in config["rope_parameters"]) == (mode == "mrope")

    best = work / json.loads((work / "best.json").read_text())["path"]
    run_job(
        "evaluate",
        write_job(
            tmp_path / "evaluate.json",
            target=target_dirs[kind],
            shards=write_greedy_shards(tmp_path / "answers", target_dirs[kind], rows=2),
            drafts={"trained": str(best)},
            workDir=tmp_path / "evaluation",
            options={"compareRows": None, "device": "cpu"},
        ),
    )
    compared = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())["comparison"]["trained"]
    assert compared["responses"] == compared["equalOutputs"] == compared["equalSteps"] == 4
    with pytest.raises(AssertionError, match="serve"):
        run_job(
            "export",
            write_job(tmp_path / "e.json", target=target_dirs[kind], checkpoints=work, workDir=tmp_path / "out"),
        )
