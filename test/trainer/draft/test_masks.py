"""The mask rules, held against a loop that reads like the specification."""

import numpy as np
import torch
from batches import batch_of
from draftsmith_trainer.draft.attend import DenseAttend, SplitAttend
from draftsmith_trainer.draft.masks import block_mask
from draftsmith_trainer.draft.tiles import TILE, tiles_of
from hypothesis import given
from hypothesis import strategies as st


def brute_force(ranges: list[tuple[int, int]], size: int, context: int, window: int | None) -> torch.Tensor:
    blocks = len(ranges)
    seen = torch.zeros(blocks * size, context + blocks * size, dtype=torch.bool)
    for n, (low, high) in enumerate(ranges):
        for j in range(size):
            query = n * size + j
            for p in range(low, high):
                seen[query, p] = window is None or p >= high + j - window + 1
            for i in range(size):
                inside = window is None or (i <= j and i >= j - window + 1)
                seen[query, context + n * size + i] = inside
    return seen


ranges = st.tuples(st.integers(0, 11), st.integers(0, 11)).map(lambda pair: (min(pair), max(pair)))
layouts = st.tuples(
    st.lists(ranges, min_size=1, max_size=4), st.integers(2, 5), st.one_of(st.none(), st.integers(1, 14))
)


def mask_of(some, size, window, context=12):
    low, high = (torch.tensor(side) for side in zip(*some, strict=True))
    return block_mask(low, high, size, context, window)[0, 0]


@given(layouts)
def test_mask_equals_brute_force(layout):
    some, size, window = layout
    assert torch.equal(mask_of(some, size, window), brute_force(some, size, 12, window))


@given(layouts)
def test_every_query_sees_itself(layout):
    assert bool(mask_of(*layout)[:, 12:].diagonal().all())


documents = st.lists(
    st.tuples(st.integers(2, 40), st.integers(1, 6), st.integers(0, 2**16)), min_size=1, max_size=3
).map(
    lambda drawn: [
        (n, np.sort(np.random.default_rng(seed).choice(n - 1, min(k, n - 1), replace=False))) for n, k, seed in drawn
    ]
)


@given(documents, st.integers(2, 5), st.one_of(st.none(), st.integers(1, 14)), st.integers(0, 2**16))
def test_attention_by_document_equals_one_masked_call(drawn, size, window, seed):
    lengths, anchors = zip(*drawn, strict=True)
    batch = batch_of(lengths, anchors, size)
    generator = torch.Generator().manual_seed(seed)

    def random(heads, length):
        return torch.randn(1, heads, length, 8, generator=generator)

    queries = batch.ids.numel()
    query, context = random(4, queries), (random(2, batch.context), random(2, batch.context))
    block = (random(2, queries), random(2, queries))
    keys, values = (torch.cat(pair, dim=2) for pair in zip(context, block, strict=True))
    mask = block_mask(batch.low, batch.high, size, batch.context, window)
    wanted = torch.nn.functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask, enable_gqa=True)
    for kind in (DenseAttend, SplitAttend):
        attend = kind(batch)
        torch.testing.assert_close(attend(query, context, block, window), wanted, atol=2e-6, rtol=1e-5)
        with torch.no_grad():
            torch.testing.assert_close(attend(query, context, block, window), wanted, atol=2e-6, rtol=1e-5)


big_documents = st.lists(
    st.tuples(st.integers(2, 700), st.integers(1, 60), st.integers(0, 2**16)), min_size=1, max_size=4
).map(
    lambda drawn: [
        (n, np.sort(np.random.default_rng(seed).choice(n - 1, min(k, n - 1), replace=False))) for n, k, seed in drawn
    ]
)


@given(big_documents, st.sampled_from([2, 3, 8, 10, 16]), st.one_of(st.none(), st.integers(1, 300)))
def test_tiles_hold_what_the_mask_shows(drawn, size, window):
    """A tile without any visible pair is left out or masked; one listed as whole is visible in every pair."""
    lengths, anchors = zip(*drawn, strict=True)
    batch = batch_of(lengths, anchors, size, multiple=TILE)
    mask = block_mask(batch.low, batch.high, size, batch.context, window)[0, 0]
    tiles = tiles_of(batch, window)
    shown = mask.unflatten(0, (-1, TILE)).unflatten(2, (-1, TILE))
    some, every = shown.any(dim=3).any(dim=1), shown.all(dim=3).all(dim=1)
    number, index, whole_number, whole_index = (table[0, 0] for table in tiles.tables)
    for row in range(len(some)):
        partial, whole = set(index[row, : number[row]].tolist()), set(whole_index[row, : whole_number[row]].tolist())
        assert not partial & whole
        assert set(some[row].nonzero().flatten().tolist()) <= partial | whole
        assert whole <= set(every[row].nonzero().flatten().tolist())
    listed = int(number.sum() + whole_number.sum())
    assert listed <= int(some.sum()) + 4 * len(some) + len(lengths) * len(some)
