"""JSON as SGLang's parser reads it."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_server.serve.strict_json import MAX_DEPTH, StrictJsonError, loads

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.booleans(), st.booleans())
def test_what_json_writes_is_read_back(value, ascii_only, as_bytes):
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert loads(text.encode() if as_bytes else text, repeated_keys=False) == value


@pytest.mark.parametrize(
    ("raw", "reason", "path"),
    [
        (b'{"a": "\xe4"}', "not valid UTF-8 at byte 7", (7,)),
        (b'["\xed\xa0\x80"]', "not valid UTF-8 at byte 2", (2,)),
        ("{}".encode("utf-16"), "not valid UTF-8 at byte 0", (0,)),
        (b"\xef\xbb\xbf{}", "a byte order mark", (0,)),
        (b"", "Expecting value", (0,)),
        (b"[1] 2", "Extra data", (4,)),
        (b'{"a": [{"b": "x\\udfff"}]}', "a string with a lone surrogate", ("a", 0, "b")),
        (b'"\\ud801"', "a string with a lone surrogate", ()),
        (b'{"a": {"\\udc00k": 1}}', "a key with a lone surrogate", ("a",)),
        (b"[NaN]", "NaN is not JSON", ()),
        (b"[-Infinity]", "-Infinity is not JSON", ()),
        (b"[1e400]", "the number 1e400 does not fit", ()),
        (b"-" + b"7" * 6000, "does not fit a 64-bit float", ()),
        (b"[" * 300 + b"]" * 300, "nested deeper than 256 levels", (0,) * 8),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested deeper than 256 levels", ()),
        (b"[" * 100_000, "nested deeper than 256 levels", ()),
        (b'{"k": 1, "k": 2}', "the key 'k' is given twice", ("k",)),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(raw, reason, path):
    with pytest.raises(StrictJsonError) as caught:
        loads(raw, repeated_keys=False)
    assert reason in str(caught.value)
    assert caught.value.path == path


def test_a_pair_of_surrogates_is_a_character():
    assert loads(b'"\\ud83d\\ude42"') == "🙂"


def test_integers_beyond_64_bits_become_floats_as_in_orjson():
    assert loads("[18446744073709551615, -9223372036854775808]") == [2**64 - 1, -(2**63)]
    beyond = loads("[18446744073709551616, -9223372036854775809]")
    assert [type(n) for n in beyond] == [float, float]
    assert all(math.isfinite(n) for n in beyond)


def test_the_last_of_repeated_keys_wins_where_they_are_allowed():
    assert loads('{"k": 1, "k": 2}') == {"k": 2}


def test_the_deepest_value_that_is_allowed():
    assert loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)
