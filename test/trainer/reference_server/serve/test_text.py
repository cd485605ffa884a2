"""Text of answers that grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_server.serve.sampling import Ending
from reference_server.serve.text import TextOf


def ending(*stop, keep=False, skip=True):
    return Ending(None, frozenset(), tuple(stop), ignore_eos=False, keep_stop=keep, skip_special=skip)


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return checkpoint.tokenizer


@given(st.lists(st.sampled_from(["Click ", "Säve", "日本", "🙂", "}\n", "<|im_end|>", "stop", "st"]), max_size=8))
def test_pieces_only_grow_and_end_at_the_whole(tokenizer, words):
    ids = tokenizer.encode("".join(words))
    text = TextOf(tokenizer, ending())
    pieces = [text.growing(ids[:n]) for n in range(len(ids) + 1)]
    whole = text.whole(ids, None)
    assert all(later.startswith(sooner) for sooner, later in zip(pieces, [*pieces[1:], whole], strict=True))
    assert "\ufffd" not in "".join(pieces)


@given(st.text("stop! x", max_size=12))
def test_nothing_of_a_stop_string_is_sent(tokenizer, words):
    ids = tokenizer.encode(words + "stop!")
    text = TextOf(tokenizer, ending("stop!"))
    at = next(n for n in range(1, len(ids) + 1) if text.find_stop(ids[:n]))
    whole = text.whole(ids[:at], "stop!")
    assert whole == (words + "stop!")[: (words + "stop!").index("stop!")]
    for n in range(at):
        assert whole.startswith(text.growing(ids[:n]))


def test_stop_tokens_and_strings_are_kept_when_asked(tokenizer):
    ids = tokenizer.encode("go on<|im_end|>")
    assert TextOf(tokenizer, ending()).whole(ids, ids[-1]) == "go on"
    assert TextOf(tokenizer, ending(skip=False)).whole(ids, ids[-1]) == "go on"
    assert TextOf(tokenizer, ending(keep=True, skip=False)).whole(ids, ids[-1]) == "go on<|im_end|>"
    assert TextOf(tokenizer, ending("on", keep=True)).whole(ids, "on") == "go on"
    assert TextOf(tokenizer, ending("on")).whole(ids, "on") == "go "


def test_a_long_stop_string_is_found_across_tokens(tokenizer):
    stop = "a rather long sentence that ends things"
    ids = tokenizer.encode("before " + stop + " after")
    text = TextOf(tokenizer, ending(stop))
    found = [n for n in range(1, len(ids) + 1) if text.find_stop(ids[:n])]
    assert found
    assert tokenizer.decode(ids[: found[0]]).endswith(stop)
