"""Steps with NaN or infinity: named with rows and place, skipped without a trace, counted, and limited."""

import json
import re

import pytest
import ranks_at_work
import torch
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.data.shards import RowShards
from draftsmith_trainer.feed import StateSource
from draftsmith_trainer.losses import frozen_head
from draftsmith_trainer.train.optimizer import Optimizer
from draftsmith_trainer.train.step import Stepper
from job_runner import tree
from rank_processes import on_ranks
from safetensors.torch import load_file
from sample import write_shards
from short_runs import said, states, stop_in_step, train, write


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), train=8, heldout=2)


class Poison:
    """Makes the captured states of the last row of some training passes NaN; notes which rows these were."""

    def __init__(self, monkeypatch, passes):
        self.rows, self._count, self._passes = [], 0, passes
        states = StateSource.states

        def poisoned(source, split, work, room=0):
            made = states(source, split, work, room)
            if split == "train":
                self._count += 1
                if self._count in passes:
                    made = made.clone()
                    made[work.starts[-1] :] = torch.nan
                    self.rows.append(f"{work.rows[-1].dialogue_id}/{work.rows[-1].row}")
            return made

        monkeypatch.setattr(StateSource, "states", poisoned)


def skipped_lines(root):
    lines = [json.loads(line) for line in (root / "work" / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["skipped"] for line in lines if "skipped" in line}


def weights_at(root, step):
    return load_file(root / "resume" / f"state-{step:08d}" / "draft.safetensors")


def test_a_step_is_named_skipped_and_counted(tmp_path, target_dirs, shards, monkeypatch):
    target = target_dirs["qwen3_vl"]
    poison = Poison(monkeypatch, {3})
    stop_in_step(write(tmp_path, target, shards, checkpointEvery=1), 2)
    before = weights_at(tmp_path, 2)
    stop = write(tmp_path, target, shards, maxSteps=None, maxMinutes=1e-9, checkpointEvery=1)
    events = train(stop)
    (row,) = poison.rows
    # The run of a moment's budget has made one step, the poisoned one.
    after = weights_at(tmp_path, 3)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    told = re.escape(row)
    found = skipped_lines(tmp_path)
    assert list(found) == [3]
    assert re.fullmatch(
        rf"the loss is nan at learning rate [\d.e-]+: row {told}, place 1 of the block at token \d+,"
        " with captured states of the target that are not finite",
        found[3],
    )
    assert said(events, f"step 3 is skipped: {found[3]}")
    assert events[-1]["facts"]["skippedSteps"] == 1


@pytest.mark.parametrize("label", [0, 4, -1])
def test_the_place_is_that_of_the_loss(tmp_path, target_dirs, shards, monkeypatch, label):
    learn, statistics, parts, broken = Stepper._learn, frozen_head.statistics, [], []

    def learning(self, states, part):
        parts.append(part)
        return learn(self, states, part)

    def overflowing(logits, labels):
        norm, gold, best = statistics(logits, labels)
        if len(parts) == 2 and not broken:
            broken.append(parts[-1])
            norm[label] = torch.inf
        return norm, gold, best

    monkeypatch.setattr(Stepper, "_learn", learning)
    monkeypatch.setattr(frozen_head, "statistics", overflowing)
    train(write(tmp_path, target_dirs["qwen3_vl"], shards, maxSteps=3))
    (part,) = broken
    anchors = [(f"{row.dialogue_id}/{row.row}", int(anchor)) for row, own in part.owners for anchor in own]
    block, place = divmod(int(part.batch.places[label]), 4)
    row, anchor = anchors[block]
    found = skipped_lines(tmp_path)
    assert list(found) == [2]
    assert found[2].endswith(f": row {row}, place {place} of the block at token {anchor}")


def test_a_gradient_is_named_by_its_parameter(tmp_path, target_dirs, shards, monkeypatch):
    step, count = Optimizer.step, []

    def broken(self, lr, weight, world, total):
        count.append(1)
        if len(count) == 2:
            self._parameters[4].grad[0] = torch.inf
        return step(self, lr, weight, world, total)

    monkeypatch.setattr(Optimizer, "step", broken)
    train(write(tmp_path, target_dirs["qwen3_vl"], shards, maxSteps=4))
    names = list(load_file(tmp_path / "resume" / "state-00000004" / "draft.safetensors"))
    (reason,) = skipped_lines(tmp_path).values()
    name = re.match(
        r"the gradient of (\S+) is not finite at learning rate \S+: rows dialogue-\d/0, dialogue-\d/0$", reason
    )
    assert name and name[1] in names


def test_skipped_steps_survive_a_stop(tmp_path, target_dirs, shards, monkeypatch):
    """AdamW counts its updates: a resumed run must not count the skipped ones."""
    target = target_dirs["qwen3_vl"]
    with monkeypatch.context() as patch:
        Poison(patch, {2, 5})
        train(write(tmp_path / "whole", target, shards))
    with monkeypatch.context() as patch:
        Poison(patch, {2, 5})
        stop_in_step(write(tmp_path / "cut", target, shards), 3)
    with monkeypatch.context() as patch:
        Poison(patch, {2})
        train(write(tmp_path / "cut", target, shards))
    assert list(skipped_lines(tmp_path / "whole")) == [2, 5]
    assert tree(tmp_path / "cut" / "work") == tree(tmp_path / "whole" / "work")


@pytest.mark.parametrize(
    ("passes", "options", "count", "limit"),
    [
        ({4}, {"maxSkippedInARow": 0}, "a step", "maxSkippedInARow is 0"),
        ({2, 3, 4, 5}, {"maxSkippedInARow": 2}, "3 steps in a row", "maxSkippedInARow is 2"),
        ({2, 4, 6}, {"maxSkipped": 2}, "3 steps", "maxSkipped is 2"),
    ],
)
def test_too_many_end_the_run_and_keep_the_last_state(
    tmp_path, target_dirs, shards, monkeypatch, passes, options, count, limit
):
    Poison(monkeypatch, passes)
    with pytest.raises(UserError) as error:
        train(write(tmp_path, target_dirs["qwen3_vl"], shards, checkpointEvery=3, evalEvery=3, **options))
    assert error.value.code == "training-diverged"
    assert error.value.message.startswith(f"training diverged: {count} had no finite loss or gradient, and {limit}")
    assert re.search(
        r"at step \d, the loss is nan at learning rate \S+: row dialogue-\d/0, place 1", error.value.message
    )
    assert "initFrom" in error.value.hint and "onConflict" in error.value.hint
    assert states(tmp_path) == ["state-00000003"]
    assert all(torch.isfinite(tensor).all() for tensor in weights_at(tmp_path, 3).values())
    assert (tmp_path / "resume" / "checkpoints" / "step-00000003" / "model.safetensors").exists()


def test_a_rate_that_is_too_high_diverges(tmp_path, target_dirs, shards):
    with pytest.raises(UserError, match=r"6 steps in a row had no finite loss or gradient, and maxSkippedInARow is 5"):
        train(write(tmp_path, target_dirs["qwen3_vl"], shards, lr=1e30, clip=None, warmup=0))


def test_the_rank_with_the_row_is_named(tmp_path, target_dirs, shards):
    target = target_dirs["qwen3_vl"]
    job = str(write(tmp_path, target, shards, maxSteps=5))
    on_ranks(ranks_at_work.train_with_a_bad_row, 2, [job, job], 1, 3)
    found = skipped_lines(tmp_path)
    assert list(found) == [3]
    rows = {f"{row.dialogue_id}/{row.row}" for row in RowShards(shards, "train")}
    named = re.search(r": rank 1: row (\S+), place 1 of the block at token \d+", found[3])
    assert named and named[1] in rows
