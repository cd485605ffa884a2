"""Batches: every row once an epoch, the same for the same seed, and alike in length."""

import numpy as np
from draftsmith_trainer.data.order import epoch_batches, rank_part
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(1, 300), st.integers(1, 9), st.integers(0, 99), st.integers(0, 5))
def test_every_row_once(rows, batch, seed, epoch):
    lengths = np.random.default_rng(seed).integers(5, 500, rows)
    usable = np.flatnonzero(lengths > 50)
    batches = epoch_batches(lengths, usable, batch, seed, epoch)
    assert sorted(int(i) for part in batches for i in part) == usable.tolist()
    assert all(1 <= len(part) <= batch for part in batches)


def test_seed_and_epoch_decide():
    lengths = np.arange(100)

    def flat(seed, epoch):
        return [part.tolist() for part in epoch_batches(lengths, np.arange(100), 4, seed, epoch)]

    assert flat(1, 0) == flat(1, 0)
    assert flat(1, 0) != flat(1, 1) != flat(2, 1)


def test_batches_pad_little():
    lengths = np.random.default_rng(0).integers(100, 1000, 1024)
    batches = epoch_batches(lengths, np.arange(1024), 8, 0, 0)
    padded = sum(int(lengths[part].max()) * len(part) for part in batches)
    shuffled = np.random.default_rng(1).permutation(1024).reshape(-1, 8)
    unsorted = sum(int(lengths[part].max()) * 8 for part in shuffled)
    assert padded < 1.1 * lengths.sum() < unsorted


costly = st.lists(st.integers(1, 5000), max_size=40)


@given(costly, st.integers(1, 9), st.randoms())
def test_ranks_share_a_batch_by_tokens(lengths, world, random):
    costs = np.array(lengths, np.int64)
    batch = np.array(random.sample(range(100), len(lengths)), np.int64)
    parts = [rank_part(batch, costs, rank, world) for rank in range(world)]
    assert sorted(i for part in parts for i in part.tolist()) == sorted(batch.tolist()), "every row once"
    cost = dict(zip(batch.tolist(), lengths, strict=True))
    loads = [sum(cost[i] for i in part.tolist()) for part in parts]
    assert max(loads) - min(loads) <= max(lengths, default=0), "ranks differ by one row at most"
    assert max(loads, default=0) <= sum(lengths) / world + max(lengths, default=0)
    if world > len(lengths):
        assert any(not len(part) for part in parts)
    again = [rank_part(batch, costs, rank, world).tolist() for rank in range(world)]
    assert again == [part.tolist() for part in parts]
    order = {row: place for place, row in enumerate(batch.tolist())}
    assert all(sorted(part.tolist(), key=order.__getitem__) == part.tolist() for part in parts), "the batch's order"


@given(costly)
def test_one_rank_takes_the_batch_as_it_is(lengths):
    batch = np.arange(len(lengths))[::-1]
    assert rank_part(batch, np.array(lengths, np.int64), 0, 1).tolist() == batch.tolist()


def test_equal_rows_go_by_turns():
    parts = [rank_part(np.arange(7) + 10, np.full(7, 30), rank, 3).tolist() for rank in range(3)]
    assert parts == [[10, 13, 16], [11, 14], [12, 15]]


def test_lengths_that_alternate_are_shared_evenly():
    # Taken by turns, one of two ranks would get all the long rows.
    costs = np.array([4000, 100] * 8)
    loads = [costs[rank_part(np.arange(16), costs, rank, 2)].sum() for rank in range(2)]
    assert loads[0] == loads[1]
