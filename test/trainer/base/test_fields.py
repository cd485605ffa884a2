"""Configs that other programs wrote: a wrong value is named by file and key, whatever it is."""

import json

import pytest
from draft_maker import small_config
from draftsmith_trainer.algorithms.settings import config_in, config_json
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.base.fields import Fields
from draftsmith_trainer.target.spec import read_spec
from hypothesis import given
from hypothesis import strategies as st

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def test_what_is_taken_and_what_is_not():
    fields = Fields(
        {"n": 3.0, "x": 0.5, "ids": [1, 2], "in": {"s": "t"}, "none": None, "yes": True}, "f.json", "no-rows"
    )
    assert (fields.whole("n"), fields.real("x"), fields.wholes("ids")) == (3, 0.5, (1, 2))
    assert fields.section("in").text("s") == "t" and fields.either("n") == (3,) and fields.either("ids") == (1, 2)
    assert fields.whole("none", 7) == 7 and not fields.has("none") and fields.real("away", None) is None
    for call, message in [
        (lambda: fields.whole("x"), "f.json: x is 0.5, not a whole number from 0"),
        (lambda: fields.whole("yes"), "f.json: yes is True, not a whole number"),
        (lambda: fields.whole("n", least=4), "f.json: n is 3.0, not a whole number from 4"),
        (lambda: fields.section("in").whole("s"), "f.json: in.s is 't', not a whole number"),
        (lambda: fields.section("in").section("deeper"), "f.json lacks in.deeper, which must be an object"),
        (lambda: fields.wholes("in"), "f.json: in is {'s': 't'}, not a list of whole numbers"),
        (lambda: Fields([1], "f.json", "no-rows"), "f.json: the document is [1], not an object"),
    ]:
        with pytest.raises(UserError) as error:
            call()
        assert error.value.message.startswith(message) and error.value.code == "no-rows"


def leaves(value, path=()):
    for key, inner in value.items():
        yield (*path, key)
        if isinstance(inner, dict):
            yield from leaves(inner, (*path, key))


@given(st.data())
def test_any_value_anywhere_in_a_targets_config_is_read_or_refused(target_dirs, tmp_path_factory, data):
    document = json.loads((target_dirs["qwen3_vl"] / "config.json").read_text())
    directory = tmp_path_factory.mktemp("target")
    spoil(document, data)
    (directory / "config.json").write_text(json.dumps(document))
    try:
        read_spec(directory)
    except UserError as error:
        assert error.toolkit_code == "MODEL_INVALID" and "config.json" in error.message


@given(st.data())
def test_any_value_anywhere_in_a_drafts_config_is_read_or_refused(data):
    document = json.loads(json.dumps(config_json(small_config())))
    spoil(document, data)
    try:
        config_in(document)
    except UserError as error:
        assert error.code == "draft-config"


def spoil(document, data):
    *above, last = data.draw(st.sampled_from(sorted(leaves(document))))
    place = document
    for key in above:
        place = place[key]
    place[last] = data.draw(ANYTHING)
