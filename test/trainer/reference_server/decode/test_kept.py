"""What is kept, and what goes."""

from __future__ import annotations

from reference_server.decode.kept import Kept


def test_the_longest_unused_goes_first():
    kept: Kept[int] = Kept(10)
    kept.put("a", 1, 4)
    kept.put("b", 2, 4)
    assert kept.get("a") == 1
    kept.put("c", 3, 4)
    assert [kept.get(name) for name in "abc"] == [1, None, 3]


def test_a_name_put_again_counts_once():
    kept: Kept[int] = Kept(10)
    for value in range(5):
        kept.put("a", value, 6)
    kept.put("b", 9, 4)
    assert (kept.get("a"), kept.get("b")) == (4, 9)


def test_what_is_too_large_is_not_kept_and_leaves_room_for_others():
    kept: Kept[int] = Kept(10)
    kept.put("large", 1, 11)
    assert kept.get("large") is None
    kept.put("small", 2, 10)
    assert kept.get("small") == 2
    kept.clear()
    assert kept.get("small") is None
