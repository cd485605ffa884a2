"""The allocator never hands out a byte twice, and everything given back becomes one gap again."""

from draftsmith_trainer.data.pictures.memory import ALIGNMENT, Allocator
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 5)), max_size=60))
def test_ranges_are_disjoint_and_come_back(orders):
    size = 32 * ALIGNMENT
    room, taken = Allocator(size), {}
    for length, give in orders:
        start = room.take(length)
        if start is not None:
            assert start % ALIGNMENT == 0 and start + length <= size
            assert all(start + length <= other or other + n <= start for other, n in taken.items())
            taken[start] = length
        if taken and give == 0:
            start = sorted(taken)[length % len(taken)]
            room.give(start, taken.pop(start))
        assert room.free == size - sum(-(-n // ALIGNMENT) * ALIGNMENT for n in taken.values())
    for start, length in taken.items():
        room.give(start, length)
    assert room.take(size) == 0


def test_no_gap_is_large_enough():
    room = Allocator(4 * ALIGNMENT)
    starts = [room.take(ALIGNMENT) for _ in range(4)]
    assert room.take(1) is None
    room.give(starts[0], ALIGNMENT)
    room.give(starts[2], ALIGNMENT)
    assert room.take(ALIGNMENT + 1) is None and room.free == 2 * ALIGNMENT
    room.give(starts[1], ALIGNMENT)
    assert room.take(3 * ALIGNMENT) == 0
