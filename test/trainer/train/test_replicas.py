"""Data parallelism: one exchange of gradients a step, however many passes it has, and no second copy of them."""

import pytest
import torch
import torch.distributed as dist
from draft_maker import lively_draft, small_config
from draftsmith_trainer.data.blocks import draw_anchors
from draftsmith_trainer.data.shards import ImageShards, RowShards
from draftsmith_trainer.feed import Preparer, StateSource
from draftsmith_trainer.parallel.device import choose_compute
from draftsmith_trainer.parallel.ranks import Ranks
from draftsmith_trainer.parallel.replicas import data_parallel
from draftsmith_trainer.target import load_target, read_spec
from draftsmith_trainer.target.pictures import open_pictures
from draftsmith_trainer.train.options import TrainOptions
from draftsmith_trainer.train.step import Stepper
from sample import write_shards
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook


@pytest.fixture
def group():
    """A process group of this process alone; the code under test is told that there are two."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield Ranks(0, 2, 0, True)
    dist.destroy_process_group()


@pytest.fixture
def stepper(group, target_dirs, tmp_path):
    directory = target_dirs["qwen3_vl"]
    write_shards(tmp_path, train=3, heldout=1, turns=2)
    config = small_config()
    target = load_target(read_spec(directory), config.target_layer_ids, torch.float32)
    draft = lively_draft(config).train()
    module = data_parallel(draft, group, "cpu")
    source = StateSource(target, open_pictures(directory, ImageShards(tmp_path), target.device), 64)
    compute = choose_compute("cpu", "fp32", "split", None)
    made = Stepper(target, draft, module, source, TrainOptions(), compute, group)
    return made, draft, module, target, list(RowShards(tmp_path, "train"))


def work_of(target, draft, rows, draft_tokens):
    preparer = Preparer(target, draft.config, "split", packed=False, pack_tokens=4096, draft_tokens=draft_tokens)
    return preparer.prepare(rows, [draw_anchors(row, 6, 0, 0) for row in rows])


def test_gradients_are_exchanged_once_a_step(stepper):
    made, draft, module, target, rows = stepper
    calls = []

    def counted(state, bucket):
        calls.append(bucket.buffer().numel())
        return allreduce_hook(state, bucket)

    module.register_comm_hook(None, counted)
    made.step(work_of(target, draft, rows, 4096), 1e-3).result()
    made.step(work_of(target, draft, rows, 4096), 1e-3).result()
    once = sum(p.numel() for p in draft.parameters())
    assert sum(calls) == 2 * once, "all gradients, once in each of two steps"
    calls.clear()
    many = work_of(target, draft, rows, 2 * draft.config.block_size)
    passes = sum(len(one.parts) for one in many)
    assert passes > 5
    made.step(many, 1e-3).result()
    assert sum(calls) == once, f"{passes} passes exchange as much as one"


def test_gradients_lie_in_the_buckets(stepper):
    made, draft, module, target, rows = stepper
    seen = {}

    def look(state, bucket):
        seen.update({id(p): bucket.buffer().untyped_storage().data_ptr() for p in bucket.parameters()})
        return allreduce_hook(state, bucket)

    module.register_comm_hook(None, look)
    for _ in range(2):
        made.step(work_of(target, draft, rows, 4096), 1e-3).result()
    for parameter in draft.parameters():
        assert parameter.grad.untyped_storage().data_ptr() == seen[id(parameter)]


def test_many_passes_learn_what_one_learns(stepper):
    made, draft, _, target, rows = stepper
    before = {name: p.clone() for name, p in draft.state_dict().items()}
    made.step(work_of(target, draft, rows, 4096), 1e-3).result()
    one = [p.grad.clone() for p in draft.parameters()]
    draft.load_state_dict(before)
    made.step(work_of(target, draft, rows, 2 * draft.config.block_size), 1e-3).result()
    for parameter, wanted in zip(draft.parameters(), one, strict=True):
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-4, atol=1e-6)
