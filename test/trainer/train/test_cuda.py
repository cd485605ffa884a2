"""On a CUDA device: flex attention equals sdpa, and a job trains in bf16."""

import json

import pytest
import torch
from draft_maker import lively_draft, small_config
from draftsmith_trainer.draft.attend import make_attend
from job_runner import write_job
from sample import write_shards

pytestmark = pytest.mark.cuda


@pytest.mark.parametrize("window", [None, 7])
def test_flex_equals_sdpa(window):
    types = ("sliding_attention" if window else "full_attention",) * 2
    config = small_config(layer_types=types, sliding_window=window)
    draft = lively_draft(config).cuda().train()
    generator = torch.Generator("cuda").manual_seed(0)
    states = torch.randn(2, 150, 128, generator=generator, device="cuda")
    anchors = torch.randint(0, 150, (2, 40), generator=generator, device="cuda").sort(dim=1).values
    keep = torch.rand(2, 40, generator=generator, device="cuda") < 0.8
    noise = torch.randn(2, 160, 64, generator=generator, device="cuda")
    places = (anchors[..., None] + torch.arange(4, device="cuda")).flatten(1)
    made = {}
    for kind in ("sdpa", "split", "flex"):
        draft.zero_grad()
        attend = make_attend(kind, anchors, keep, 4, 150)
        hidden = draft(states, torch.arange(150, device="cuda").expand(2, -1), noise, places, attend)
        hidden.square().mean().backward()
        made[kind] = (hidden.detach(), draft.fc.weight.grad.clone())
    for kind in ("split", "flex"):
        torch.testing.assert_close(made[kind][0], made["sdpa"][0], atol=2e-4, rtol=2e-3)
        torch.testing.assert_close(made[kind][1], made["sdpa"][1], atol=2e-5, rtol=2e-2)


@pytest.mark.parametrize("attention", ["sdpa", "flex"])
def test_bf16_job(tmp_path, target_dirs, attention):
    import io

    from draftsmith_trainer.base.events import Events
    from draftsmith_trainer.jobs.train import run

    shards = write_shards(tmp_path / "shards", train=8, heldout=2)
    (tmp_path / "work").mkdir()
    options = {
        "draft": {"layers": 2, "blockSize": 4, "intermediateSize": 96, "maskTokenId": 510},
        "epochs": 8,
        "anchors": 6,
        "lr": 0.003,
        "device": "cuda",
        "attention": attention,
    }
    job = write_job(
        tmp_path / "job.json",
        target=target_dirs["qwen3_vl"],
        shards=shards,
        workDir=tmp_path / "work",
        resumeDir=tmp_path / "resume",
        options=options,
    )
    out = io.StringIO()
    run(job, Events(out))
    assert json.loads(out.getvalue().splitlines()[-1])["facts"]["draft"]["torch_dtype"] == "float32"
    lines = [json.loads(line) for line in (tmp_path / "work" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0]
    best = json.loads((tmp_path / "work" / "best.json").read_text())
    config = json.loads((tmp_path / "work" / best["path"] / "config.json").read_text())
    assert config["torch_dtype"] == "bfloat16"
