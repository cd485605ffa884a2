"""Soft labels end to end: the distributions are the whole target's, packed or row by row, remembered or not."""

import io
import json

import numpy as np
import pytest
import torch
from draft_maker import lively_draft, small_config
from draftsmith_trainer.algorithms.plain.plain import Plain
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.data.blocks import candidates
from draftsmith_trainer.data.shards import ImageShards, RowShards
from draftsmith_trainer.draft.model import DFlashDraft
from draftsmith_trainer.feed import Preparer, StateSource
from draftsmith_trainer.jobs.train import run
from draftsmith_trainer.losses import SoftRule
from draftsmith_trainer.parallel.device import choose_compute
from draftsmith_trainer.parallel.ranks import Ranks
from draftsmith_trainer.target import load_target, read_spec
from draftsmith_trainer.target.packed import PackedTarget
from draftsmith_trainer.target.pictures import open_pictures
from draftsmith_trainer.train.options import TrainOptions
from draftsmith_trainer.train.soft_labels import soft_targets
from draftsmith_trainer.train.step import Stepper
from job_runner import write_job
from sample import write_shards
from target_maker import MODEL_TYPES
from transformers import AutoModelForImageTextToText

ALONE = Ranks(0, 1, 0, False)


def prepared(directory, shards, packed, budget=0):
    target = load_target(read_spec(directory), (3, 4), torch.float32, final=True)
    packer = PackedTarget(target, compile_=False) if packed else None
    source = StateSource(target, open_pictures(directory, ImageShards(shards), target.device), budget, packer)
    config = small_config()
    preparer = Preparer(target, config, "split", packed, 10**6, 10**6)
    rows = list(RowShards(shards, "train"))
    # Every second candidate and the last: its only place reads the last state that is needed.
    anchors = [np.unique([*candidates(row)[::2], candidates(row)[-1]]) for row in rows]
    return target, source, preparer.prepare(rows, anchors), preparer


def whole_logits(directory, shards):
    """transformers' own logits of every row, by a model that nothing was done to."""
    model = AutoModelForImageTextToText.from_pretrained(directory, dtype=torch.float32).eval()
    reader = open_pictures(directory, ImageShards(shards), torch.device("cpu")).reader
    made = {}
    for row in RowShards(shards, "train"):
        pixels, grid = reader.pixels(row)
        ids, types = (torch.from_numpy(part.astype("int64"))[None] for part in (row.input_ids, row.token_types))
        inputs = {"input_ids": ids, "mm_token_type_ids": types, "pixel_values": pixels, "image_grid_thw": grid}
        with torch.no_grad():
            made[row.index] = model(**inputs).logits[0]
    return made


@pytest.mark.parametrize("packed", [False, True], ids=["alone", "packed"])
@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_soft_labels_are_the_distributions_of_the_whole_target(kind, packed, target_dirs, tmp_path):
    write_shards(tmp_path, train=3, heldout=1, turns=2)
    wanted = whole_logits(target_dirs[kind], tmp_path)
    target, source, works, _ = prepared(target_dirs[kind], tmp_path, packed, budget=64)
    seen = 0
    for _ in range(2):  # the second time from memory
        for work in works:
            states = source.states("train", work)
            for part in work.parts:
                batch = part.batch
                logits = soft_targets(states, batch, target, SoftRule(0.5, 1.0)).hidden @ target.lm_head.T
                owners = [(row, int(a)) for row, anchors in part.owners for a in anchors]
                for place, label, got in zip(batch.places.tolist(), batch.labels.tolist(), logits, strict=True):
                    row, anchor = owners[place // batch.block_size]
                    at = anchor + place % batch.block_size
                    assert label == row.input_ids[at]
                    torch.testing.assert_close(got, wanted[row.index][at - 1], atol=2e-5, rtol=2e-5)
                    seen += 1
    assert seen > 100 and source.computed == 3


def test_packed_and_alone_learn_the_same(target_dirs, tmp_path):
    write_shards(tmp_path, train=3, heldout=1, turns=2)
    options = TrainOptions(soft_labels=0.7, soft_temperature=2.0)
    losses, gradients = [], []
    for packed in (False, True):
        target, source, works, _ = prepared(target_dirs["qwen3_5"], tmp_path, packed)
        draft: DFlashDraft = lively_draft(small_config()).train()
        stepper = Stepper(target, draft, draft, source, options, choose_compute("cpu", "fp32", "auto", 1), ALONE)
        losses.append(stepper.step(works, 0.0).result().loss)
        gradients.append(torch.cat([p.grad.flatten() for p in draft.parameters()]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5, rtol=1e-3)
    plain = Stepper(target, draft, draft, source, TrainOptions(), choose_compute("cpu", "fp32", "auto", 1), ALONE)
    assert plain.step(works, 0.0).result().loss != pytest.approx(losses[0], rel=1e-3)


def train(root, target, shards, **options):
    (root / "work").mkdir(parents=True, exist_ok=True)
    given = {
        "draft": {"layers": 1, "blockSize": 4, "intermediateSize": 64, "maskTokenId": 510},
        "anchors": 8,
        "epochs": 12,
        "lr": 0.01,
        "device": "cpu",
        "threads": 1,
        **options,
    }
    places = {"workDir": root / "work", "resumeDir": root / "resume"}
    out = io.StringIO()
    run(write_job(root / "job.json", target=target, shards=shards, **places, options=given), Events(out))
    lines = [json.loads(line) for line in (root / "work" / "metrics.jsonl").read_text().splitlines()]
    return out.getvalue(), lines


def test_a_run_with_soft_labels_learns_and_says_its_cost(tmp_path, target_dirs):
    shards = write_shards(tmp_path / "shards", train=6, heldout=2)
    said, lines = train(tmp_path / "soft", target_dirs["qwen3_vl"], shards, softLabels=1.0, softTemperature=1.0)
    assert "all 8 layers of the target are loaded and run, not only the first" in said
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.9 * losses[0]
    _, kept = train(tmp_path / "kept", target_dirs["qwen3_vl"], shards, softLabels=1.0, stateCacheMb=0)
    assert [line for line in kept if "loss" in line] == [line for line in lines if "loss" in line]


def test_a_head_that_cannot_learn_from_them_refuses(tmp_path, target_dirs, monkeypatch):
    shards = write_shards(tmp_path / "shards", train=2, heldout=1)
    monkeypatch.setattr(Plain, "soft_labels", False)
    with pytest.raises(UserError, match="softLabels") as error:
        train(tmp_path / "run", target_dirs["qwen3_vl"], shards, softLabels=0.5)
    assert error.value.code == "bad-option"
