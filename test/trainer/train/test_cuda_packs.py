"""On a CUDA device: packed bf16 states against fp32, isolation, steps that wait for nothing, training of all types."""

import io
import json

import numpy as np
import pytest
import torch
from draftsmith_trainer.algorithms.drafts import new_draft
from draftsmith_trainer.algorithms.settings import new_config
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.data.blocks import draw_anchors
from draftsmith_trainer.data.images import PixelReader
from draftsmith_trainer.data.pictures.workers import PictureWorkers
from draftsmith_trainer.data.shards import ImageShards, RowShards
from draftsmith_trainer.draft.linear import Linear
from draftsmith_trainer.draft.options import DraftOptions
from draftsmith_trainer.feed import Preparer, StateSource
from draftsmith_trainer.jobs.train import run
from draftsmith_trainer.parallel.device import choose_compute
from draftsmith_trainer.parallel.ranks import Ranks
from draftsmith_trainer.target import load_target, read_spec
from draftsmith_trainer.target.packed import PackedTarget
from draftsmith_trainer.target.pictures import PictureSource, open_pictures
from draftsmith_trainer.target.recurrent import fla_missing
from draftsmith_trainer.train.options import TrainOptions
from draftsmith_trainer.train.step import Stepper
from job_runner import write_job
from sample import write_shards
from target_maker import MODEL_TYPES

pytestmark = pytest.mark.cuda
LAYERS = (3, 4)
DRAFT = {"layers": 2, "blockSize": 4, "intermediateSize": 96, "maskTokenId": 510}


def skip_without_kernels(kind):
    if kind.startswith("qwen3_5") and fla_missing():
        pytest.skip("flash-linear-attention is not installed")


class Captured:
    """States of rows: packed or one by one, in a dtype."""

    def __init__(self, directory, shards, dtype):
        self.target = load_target(read_spec(directory), LAYERS, dtype, "cuda")
        reader = PixelReader(directory, ImageShards(shards))
        self.pictures = PictureSource(reader, PictureWorkers(reader.images, 0), self.target.device)
        config = new_config(DraftOptions(layers=1, block_size=4, mask_token_id=510), self.target.spec)
        self.packer = PackedTarget(self.target, compile_=True)
        self.preparer = Preparer(self.target, config, "sdpa", True, 10**6, 10**6)

    def packed(self, rows):
        (work,) = self.preparer.prepare(rows, [draw_anchors(row, 4, 0, 0) for row in rows])
        source = StateSource(self.target, self.pictures, 0, self.packer)
        states = source.states("train", work)
        ends = [*work.starts[1:], work.tokens]
        return {row.index: states[a:b] for row, a, b in zip(work.rows, work.starts, ends, strict=True)}

    def alone(self, rows):
        return {row.index: self.packed([row])[row.index] for row in rows}


def rows_of(shards):
    write_shards(shards, train=7, heldout=1, turns=2, response=30)
    return list(RowShards(shards, "train"))


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_packing_adds_no_error_in_bf16(kind, target_dirs, tmp_path):
    """Against fp32, one by one: the error of bf16 packed is at most 1.1 times that of bf16 one by one."""
    skip_without_kernels(kind)
    rows = rows_of(tmp_path)
    exact = Captured(target_dirs[kind], tmp_path, torch.float32).alone(rows)
    half = Captured(target_dirs[kind], tmp_path, torch.bfloat16)
    packed, alone = half.packed(rows), half.alone(rows)
    error = {name: sum((made[i].float() - exact[i]).norm().square() for i in exact).sqrt()
             for name, made in (("packed", packed), ("alone", alone))}  # fmt: skip
    size = sum(one.norm().square() for one in exact.values()).sqrt()
    assert error["alone"] < 0.2 * size, "bf16 and fp32 have nothing in common"
    assert error["packed"] <= 1.1 * error["alone"]


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_other_rows_keep_their_bits_when_one_row_changes(kind, target_dirs, tmp_path):
    skip_without_kernels(kind)
    rows = rows_of(tmp_path)
    made = Captured(target_dirs[kind], tmp_path, torch.bfloat16)
    before = made.packed(rows)
    ids = rows[3].input_ids.copy()
    text = np.flatnonzero(rows[3].token_types == 0)
    ids[text] = (ids[text] + 7) % 400
    after = made.packed([*rows[:3], type(rows[3])(**{**vars(rows[3]), "input_ids": ids}), *rows[4:]])
    for row in rows:
        assert torch.equal(before[row.index], after[row.index]) == (row.index != 3)


@pytest.mark.parametrize("kind", ["qwen3_vl", "qwen3_vl_moe"])
def test_a_step_waits_for_nothing(kind, target_dirs, tmp_path):
    rows = rows_of(tmp_path)
    options = TrainOptions(batch_size=4, anchors=8)
    compute = choose_compute("cuda", "auto", "auto", None)
    target = load_target(read_spec(target_dirs[kind]), LAYERS, compute.dtype, "cuda")
    config = new_config(
        DraftOptions(layers=2, block_size=4, mask_token_id=510, target_layer_ids=list(LAYERS)), target.spec
    )
    draft = new_draft(config, 0).cuda().train()
    with open_pictures(target_dirs[kind], ImageShards(tmp_path), target.device) as pictures:
        source = StateSource(target, pictures, 0, PackedTarget(target, compile_=True))
        preparer = Preparer(target, config, compute.attention, True, 16_384, 8192)
        stepper = Stepper(target, draft, draft, source, options, compute, Ranks(0, 1, 0, False), preparer.multiple)

        def prepared(some, seed):
            work = preparer.prepare(some, [draw_anchors(row, 8, seed, 0) for row in some])
            for one in work:
                source.expect("train", one)
            return [one.pinned() for one in work]

        for seed in range(3):
            stepper.step(prepared(rows[:4], seed), 1e-3).result()
            # Sizes that come for the first time have kernels compiled and plans made.
            stepper.step(prepared(rows[3:7], seed), 1e-3).result()
        coming = prepared(rows[3:7], 9)
        torch.cuda.set_sync_debug_mode("error")
        try:
            pending = stepper.step(coming, 1e-3)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert pending.result().finite
        layers = [module for module in draft.modules() if isinstance(module, Linear)]
        assert layers and all(torch.equal(layer.working, layer.weight.bfloat16()) for layer in layers)


@pytest.mark.parametrize("attention", ["auto", "flex", "sdpa"])
@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_every_type_trains_packed_with_falling_loss(kind, attention, target_dirs, tmp_path):
    skip_without_kernels(kind)
    shards = write_shards(tmp_path / "shards", train=8, heldout=2)
    (tmp_path / "work").mkdir()
    options = {"draft": DRAFT, "epochs": 20, "batchSize": 4, "anchors": 6, "lr": 0.003, "device": "cuda"}
    options["attention"] = attention
    job = write_job(
        tmp_path / "job.json",
        target=target_dirs[kind],
        shards=shards,
        workDir=tmp_path / "work",
        resumeDir=tmp_path / "resume",
        options=options,
    )
    out = io.StringIO()
    run(job, Events(out))
    lines = [json.loads(line) for line in (tmp_path / "work" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == 4 and losses[-1] < losses[0]
    best = json.loads((tmp_path / "work" / "best.json").read_text())
    config = json.loads((tmp_path / "work" / best["path"] / "config.json").read_text())
    assert config["torch_dtype"] == "bfloat16"
