"""The mask rules, held against a loop that reads like the specification."""

import torch
from draftsmith_trainer.draft.attend import DenseAttend, SplitAttend
from draftsmith_trainer.draft.masks import block_mask
from hypothesis import given
from hypothesis import strategies as st


def brute_force(anchors: list[int], keep: list[bool], size: int, context: int, window: int | None) -> torch.Tensor:
    blocks = len(anchors)
    seen = torch.zeros(blocks * size, context + blocks * size, dtype=torch.bool)
    for n in range(blocks):
        for j in range(size):
            query = n * size + j
            for p in range(context):
                near = window is None or p >= anchors[n] + j - window + 1
                seen[query, p] = keep[n] and p < anchors[n] and near
            for i in range(size):
                inside = window is None or (i <= j and i >= j - window + 1)
                seen[query, context + n * size + i] = inside
    return seen


layouts = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 11), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
        st.integers(2, 5),
        st.one_of(st.none(), st.integers(1, 14)),
    )
)


@given(layouts)
def test_mask_equals_brute_force(layout):
    anchors, keep, size, window = layout
    made = block_mask(torch.tensor([anchors]), torch.tensor([keep]), size, 12, window)
    assert torch.equal(made[0, 0], brute_force(anchors, keep, size, 12, window))


@given(layouts)
def test_every_query_sees_itself(layout):
    anchors, keep, size, window = layout
    made = block_mask(torch.tensor([anchors]), torch.tensor([keep]), size, 12, window)[0, 0]
    assert bool(made[:, 12:].diagonal().all())


@given(layouts, st.integers(0, 2**16))
def test_split_attention_equals_dense(layout, seed):
    anchors, keep, size, window = layout
    generator = torch.Generator().manual_seed(seed)
    blocks = len(anchors)

    def random(heads, length):
        return torch.randn(1, heads, length, 8, generator=generator)

    query, context = random(4, blocks * size), (random(2, 12), random(2, 12))
    block = (random(2, blocks * size), random(2, blocks * size))
    parts = (torch.tensor([anchors]), torch.tensor([keep]), size, 12)
    dense = DenseAttend(*parts)(query, context, block, window)
    split = SplitAttend(*parts)(query, context, block, window)
    torch.testing.assert_close(split, dense, atol=2e-6, rtol=1e-5)
