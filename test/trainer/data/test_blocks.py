"""Anchors, labels and validity, against a loop over single places."""

import numpy as np
import pytest
from draftsmith_trainer.data.blocks import candidates, context_length, draw_anchors, make_blocks
from draftsmith_trainer.data.shards import Row
from hypothesis import given
from hypothesis import strategies as st

MASK = 99


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


@given(masks, masks, st.integers(2, 6), st.integers(1, 5))
def test_labels_and_validity(one, two, size, count):
    rows = [row_of(one), row_of(two)]
    drawn = [draw_anchors(row, count, 0, 0) for row in rows]
    blocks = make_blocks(rows, drawn, size, MASK)
    for r, (row, anchors) in enumerate(zip(rows, drawn, strict=True)):
        assert blocks.keep[r].tolist() == [n < len(anchors) for n in range(blocks.keep.shape[1])]
        for n, anchor in enumerate(anchors.tolist()):
            assert blocks.anchors[r, n] == anchor
            assert blocks.ids[r, n].tolist() == [row.input_ids[anchor], *[MASK] * (size - 1)]
            places = blocks.positions[r].view(-1, size)[n].tolist()
            assert places == list(range(anchor, anchor + size))
            alive = True
            for k in range(1, size):
                at = anchor + k
                alive = alive and at < len(row) and bool(row.loss_mask[at])
                assert bool(blocks.valid[r, n, k - 1]) == alive
                if alive:
                    assert blocks.labels[r, n, k - 1] == row.input_ids[at]
        assert not blocks.valid[r, len(anchors) :].any()


def test_labels_do_not_reach_into_the_next_response():
    row = row_of([0, 1, 1, 0, 1, 1, 1])
    blocks = make_blocks([row], [np.array([1])], 6, MASK)
    assert blocks.valid[0, 0].tolist() == [True, False, False, False, False]


@pytest.mark.parametrize("empty", [0, 1])
def test_a_row_without_anchors_is_all_padding(empty):
    anchors = [np.zeros(0, np.int64), np.array([2, 3])]
    blocks = make_blocks([row_of([0, 0, 1, 1, 1])] * 2, anchors if empty == 0 else anchors[::-1], 3, MASK)
    assert blocks.keep[empty].sum() == 0 and not blocks.valid[empty].any()
