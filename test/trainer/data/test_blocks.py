"""Anchors: where blocks may begin, and which are drawn."""

import numpy as np
from draftsmith_trainer.data.blocks import candidates, context_length, draw_anchors
from draftsmith_trainer.data.shards import Row
from hypothesis import given
from hypothesis import strategies as st


def row_of(mask, index=0):
    mask = np.array(mask, np.int8)
    ids = np.arange(10, 10 + len(mask)).astype(np.int32)
    nothing = np.zeros((0, 3), np.int32)
    return Row(index, ids, mask, np.zeros(len(mask), np.int8), (), nothing, "d", 0, (), ())


masks = st.lists(st.sampled_from([0, 1, 1, 1]), min_size=2, max_size=40)


@given(masks)
def test_candidates(mask):
    found = candidates(row_of(mask)).tolist()
    assert found == [a for a in range(len(mask) - 1) if mask[a] and mask[a + 1]]
    assert context_length(row_of(mask)) == (found[-1] if found else 0)


@given(masks, st.integers(1, 12), st.integers(0, 9), st.integers(0, 3))
def test_drawn_anchors(mask, count, seed, epoch):
    row = row_of(mask)
    drawn = draw_anchors(row, count, seed, epoch).tolist()
    assert len(drawn) == min(count, len(candidates(row)))
    assert drawn == sorted(set(drawn)) and set(drawn) <= set(candidates(row).tolist())
    assert drawn == draw_anchors(row, count, seed, epoch).tolist()


def test_anchors_change_with_epoch_seed_and_row():
    mask = [1] * 200
    first = draw_anchors(row_of(mask), 20, 1, 0).tolist()
    others = [draw_anchors(row_of(mask), 20, 2, 0), draw_anchors(row_of(mask), 20, 1, 1)]
    others.append(draw_anchors(row_of(mask, index=1), 20, 1, 0))
    assert all(first != other.tolist() for other in others)


def test_every_candidate_is_drawn_equally_often():
    row, counts = row_of([0, *[1] * 21]), np.zeros(22)
    for epoch in range(2000):
        counts[draw_anchors(row, 5, 0, epoch)] += 1
    assert counts[0] == counts[21] == 0
    assert counts[1:21].min() > 400 and counts[1:21].max() < 600
