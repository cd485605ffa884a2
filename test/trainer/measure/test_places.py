"""Marks of places against the logits themselves, and the oracle against a simulation that chooses among candidates."""

import numpy as np
import pytest
import torch
from draft_maker import lively_draft, small_config
from draftsmith_trainer.data.shards import ImageShards, RowShards
from draftsmith_trainer.feed import Preparer, StateSource
from draftsmith_trainer.measure.measurer import Measurer, walk_anchors
from draftsmith_trainer.measure.oracle import oracle_steps
from draftsmith_trainer.measure.places import PlaceMarks, place_marks
from draftsmith_trainer.target import load_target, read_spec
from draftsmith_trainer.target.packed import PackedTarget
from draftsmith_trainer.target.pictures import open_pictures
from hypothesis import given
from hypothesis import strategies as st
from sample import write_shards


def test_marks_are_those_of_the_logits(monkeypatch):
    from draftsmith_trainer.measure import places

    hidden, lm_head = torch.randn(5, 4, 8), torch.randn(19, 8)
    lm_head[7] = lm_head[3]  # equal logits: the lower id comes first
    at = torch.tensor([1, 2, 5, 9, 10, 11, 13])
    labels = torch.tensor([3, 7, 0, 18, 7, 3, 11])
    logits = (hidden @ lm_head.T).flatten(0, 1)
    proposed = (hidden @ lm_head.T)[:, 1:].argmax(-1)
    proposed[2] = torch.tensor([1, 2, 4])  # as an algorithm with a mind of its own would
    for budget in (19, 10**6):
        monkeypatch.setitem(places._BUDGET, "cpu", budget)
        made = place_marks(hidden, proposed, at, labels, lm_head)
        for place, label in zip(at.tolist(), labels.tolist(), strict=True):
            block, k = place // 4, place % 4 - 1
            order = torch.sort(logits[place], descending=True, stable=True).indices.tolist()
            assert made.ranks[block, k] == order.index(label)
            soft = logits[place].log_softmax(0)
            assert made.losses[block, k] == pytest.approx(-soft[label].item(), abs=1e-5)
            assert made.confidence[block, k] == pytest.approx(soft[proposed[block, k]].exp().item(), abs=1e-5)


cases = st.tuples(st.integers(2, 40), st.integers(2, 6), st.integers(0, 2**16), st.integers(0, 9))


@given(cases, st.integers(1, 5))
def test_the_oracle_equals_a_simulation(case, candidates):
    tokens, size, seed, start = case
    ranks = np.random.default_rng(seed).integers(0, 6, (tokens - 1, size - 1)).astype(np.int16)
    marks = PlaceMarks(ranks, np.zeros(ranks.shape), np.zeros(ranks.shape))
    known, steps = 1, []
    while known < tokens:
        accepted = 0
        while accepted < size - 1 and known + accepted < tokens and ranks[known - 1, accepted] < candidates:
            accepted += 1
        steps.append(accepted)
        known += accepted + 1
    assert oracle_steps(start, start + tokens, marks, candidates) == steps


@pytest.mark.parametrize("packed", [False, True], ids=["alone", "packed"])
def test_a_marked_walk_is_the_walk_and_an_oracle_of_one_candidate_too(packed, target_dirs, tmp_path):
    directory = target_dirs["qwen3_vl_moe"]
    write_shards(tmp_path, train=3, heldout=1, turns=2)
    target, config = load_target(read_spec(directory), (3, 4), torch.float32), small_config()
    packer = PackedTarget(target, compile_=False) if packed else None
    source = StateSource(target, open_pictures(directory, ImageShards(tmp_path), target.device), 64, packer)
    # Few blocks a pass: marks of a row come from several passes.
    measurer = Measurer(target, lively_draft(config), Preparer(target, config, "split", packed, 10**6, 40))
    rows = list(RowShards(tmp_path, "train"))
    seen = 0
    for work in measurer.plan(rows):
        states = source.states("train", work)
        plain, marked = measurer.walks(work, states), measurer.walks(work, states, marked=True)
        for one, other in zip(plain, marked, strict=True):
            assert one.accepted == other.accepted and one.marks is None
            assert len(other.prefixes) == len(other.marks.ranks) == one.end - one.start - 1
            assert oracle_steps(other.start, other.end, other.marks, 1) == other.accepted
            assert sum(oracle_steps(other.start, other.end, other.marks, 512)) >= one.end - one.start - 2 - len(
                oracle_steps(other.start, other.end, other.marks, 512)
            )
            seen += len(other.prefixes)
    assert seen == sum(len(walk_anchors(row)) for row in rows)
