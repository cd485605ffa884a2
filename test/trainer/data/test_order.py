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


@given(st.integers(0, 20), st.integers(1, 5))
def test_ranks_share_a_batch(size, world):
    parts = [rank_part(np.arange(size), rank, world).tolist() for rank in range(world)]
    assert sorted(i for part in parts for i in part) == list(range(size))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
