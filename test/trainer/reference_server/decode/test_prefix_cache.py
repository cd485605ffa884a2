"""Later turns of a conversation: the same answers, less to compute."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference_server.decode import greedy
from reference_server.decode.batch import SequenceBatch
from reference_server.decode.cache import RowState
from reference_server.decode.prefix_cache import Entry, PrefixCache, common_prefix
from reference_server.decode.request import DecodeRequest
from reference_server.decode.scheduler import Scheduler
from target_maker import IMAGE, MODEL_TYPES


def key(*numbers):
    return np.array(numbers, dtype=np.int64)


def entry(*numbers):
    return Entry(key(*numbers), RowState(torch.empty(0), ()))


def test_common_prefix():
    assert common_prefix(key(1, 2, 3), key(1, 2, 4, 5)) == 2
    assert common_prefix(key(1, 2), key(1, 2, 4)) == 2
    assert common_prefix(key(), key(1)) == 0


def test_finds_the_longest_and_leaves_a_token_to_compute():
    cache = PrefixCache(800)
    cache.keep(entry(1, 2, 3, 4))
    cache.keep(entry(1, 2, 9))
    assert cache.find(key(1, 2, 3, 7))[1] == 3
    assert cache.find(key(1, 2, 3, 4))[1] == 3
    assert cache.find(key(1, 2, 9, 9))[1] == 3
    assert cache.find(key(5)) is None


def test_whole_entries_only_for_recurrent_states():
    cache = PrefixCache(800, whole_only=True)
    cache.keep(entry(1, 2, 3, 4))
    assert cache.find(key(1, 2, 3, 7)) is None
    assert cache.find(key(1, 2, 3, 4)) is None
    assert cache.find(key(1, 2, 3, 4, 5))[1] == 4


def test_oldest_unused_go_first_and_extended_ones_at_once():
    cache = PrefixCache(80)
    cache.keep(entry(1, 1, 1, 1))
    cache.keep(entry(2, 2, 2, 2))
    cache.find(key(1, 1, 5))
    cache.keep(entry(3, 3, 3, 3))
    assert cache.find(key(2, 2, 5)) is None
    assert cache.find(key(1, 1, 5)) is not None
    cache.keep(entry(1, 1, 1, 1, 1))
    assert cache.size == 72
    cache.keep(entry(*range(11)))
    assert cache.size == 72
    cache.clear()
    assert cache.find(key(1, 1, 5)) is None


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_a_second_turn_says_the_same_with_and_without(kind, targets, cases, answers):
    target = targets[kind]
    turns = []
    for one, answer in zip(cases, answers[kind], strict=True):
        # A random model may say an image placeholder, which no later prompt could repeat.
        said = answer[: ([*answer, IMAGE]).index(IMAGE)]
        turns.append(target.prompt([*one.ids, *said, 7, 8, 9], one.images))
    wanted = [result.ids for result in greedy.generate_batch(target, turns, 10, max_rows=3)]
    scheduler = Scheduler(target, 3, prefix_bytes=1 << 26)
    for one in cases:
        scheduler.submit(DecodeRequest(target.prompt(one.ids, one.images), 20))
    scheduler.run()
    requests = [DecodeRequest(turn, 10) for turn in turns]
    for request in requests:
        scheduler.submit(request)
    scheduler.run()
    assert [request.ids for request in requests] == wanted
    if not target.hybrid:
        assert [request.cached_tokens for request in requests] >= [len(one.ids) for one in cases]


def test_another_picture_is_another_prefix(targets, new_case):
    target = targets["qwen3_vl"]
    first, second = new_case(1, 6, [(4, 4)]), new_case(1, 6, [(4, 4)])
    second.images = new_case(2, 6, [(4, 4)]).images
    assert first.ids == second.ids
    batch = SequenceBatch(target, 1, prefixes=PrefixCache(1 << 24))
    for one, cached in ((first, 0), (second, 7), (first, len(first.ids) - 1)):
        row, _, _ = batch.join(target.prompt(one.ids, one.images))
        batch.leave(row)
        # Six words and <|vision_start|> are shared, the picture is not.
        assert row.cached_tokens == cached
