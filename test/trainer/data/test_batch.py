"""Batches against a loop over single blocks and places."""

import numpy as np
import pytest
import torch
from draftsmith_trainer.data.batch import make_batch
from draftsmith_trainer.data.blocks import draw_anchors
from draftsmith_trainer.data.shards import Row
from hypothesis import given
from hypothesis import strategies as st

MASK = 99
masks = st.lists(st.sampled_from([0, 1, 1, 1]), min_size=2, max_size=40)


def row_of(mask, index=0):
    mask = np.array(mask, np.int8)
    ids = np.arange(10, 10 + len(mask)).astype(np.int32)
    nothing = np.zeros((0, 3), np.int32)
    return Row(index, ids, mask, np.zeros(len(mask), np.int8), (), nothing, "d", 0, (), ())


def expected_labels(row, anchor, size):
    """(place, token) for every place of a block that has a label."""
    found = []
    for k in range(1, size):
        at = anchor + k
        if at >= len(row) or not row.loss_mask[at]:
            break
        found.append((k, int(row.input_ids[at])))
    return found


@given(st.lists(masks, min_size=1, max_size=3), st.integers(2, 6), st.integers(1, 5), st.sampled_from([1, 8, 128]))
def test_blocks_ranges_and_labels(some, size, count, multiple):
    rows = [row_of(mask, i) for i, mask in enumerate(some)]
    drawn = [draw_anchors(row, count, 0, 0) for row in rows]
    starts = np.cumsum([7, *(len(row) for row in rows)])[:-1]
    batch = make_batch(rows, drawn, starts, size, MASK, multiple=multiple)
    assert batch.offset == 7 and batch.blocks == sum(len(a) for a in drawn)
    assert batch.context % multiple == 0 and batch.ids.numel() % multiple == 0
    assert batch.context_positions.shape == (batch.context,) and batch.positions.shape == (batch.ids.numel(),)
    n, labels = 0, []
    for row, anchors, start in zip(rows, drawn, starts - 7, strict=True):
        for anchor in anchors.tolist():
            assert (batch.low[n], batch.high[n]) == (start, start + anchor)
            assert batch.ids[n].tolist() == [row.input_ids[anchor], *[MASK] * (size - 1)]
            assert batch.positions.view(-1, size)[n].tolist() == list(range(anchor, anchor + size))
            assert batch.context_positions[start : start + anchor].tolist() == list(range(anchor))
            labels += [(n * size + k, token) for k, token in expected_labels(row, anchor, size)]
            n += 1
            assert batch.ends[n] == len(labels)
    assert list(zip(batch.places.tolist(), batch.labels.tolist(), strict=True)) == labels
    assert not batch.low[n:].any() and not batch.high[n:].any() and (batch.ids[n:] == MASK).all()
    for document, (row, anchors) in zip(
        batch.documents, ((r, a) for r, a in zip(rows, drawn, strict=True) if len(a)), strict=True
    ):
        assert document.last - document.first == len(anchors)
        assert document.end - document.start == anchors[-1] < len(row)


def test_labels_do_not_reach_into_the_next_response():
    row = row_of([0, 1, 1, 0, 1, 1, 1])
    batch = make_batch([row], [np.array([1])], [0], 6, MASK)
    assert batch.places.tolist() == [1] and batch.labels.tolist() == [12]


def test_a_batch_of_nothing_still_has_a_block():
    batch = make_batch([], [], [], 4, MASK)
    assert batch.ids.shape == (1, 4) and batch.context == 1 and batch.blocks == 0 and not len(batch.labels)


@pytest.mark.parametrize("multiple", [1, 128])
def test_mrope_positions_are_the_rows_own_and_go_on_past_its_end(multiple):
    rows = [row_of([0, 0, 1, 1, 1]), row_of([1, 1, 1])]
    own = [np.array([[0, 1, 5, 6, 7]] * 3) + np.array([[0], [1], [2]]), np.array([[0, 1, 2]] * 3)]
    batch = make_batch(rows, [np.array([3]), np.array([0, 1])], [0, 5], 4, MASK, own, multiple)
    assert batch.context_positions.shape[0] == 3
    assert batch.context_positions[:, :3].tolist() == own[0][:, :3].tolist()
    blocks = batch.positions.view(3, -1, 4)
    assert blocks[:, 0].tolist() == [[6, 7, 8, 9], [7, 8, 9, 10], [8, 9, 10, 11]]
    assert blocks[0, 1].tolist() == [0, 1, 2, 3] and blocks[0, 2].tolist() == [1, 2, 3, 4]
    assert torch.equal(batch.to(torch.device("cpu")).low, batch.low)
