"""The layer rule, against the table of known targets."""

import pytest
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.draft.layer_rule import target_layer_ids


@pytest.mark.parametrize(
    ("kind", "layers", "ids"),
    [
        ("qwen3_vl", 36, (3, 10, 18, 25, 32)),
        ("qwen3_vl_moe", 48, (3, 13, 24, 34, 44)),
        ("qwen3_5", 32, (1, 8, 15, 22, 29)),
        ("qwen3_5_moe", 40, (1, 10, 19, 28, 37)),
    ],
)
def test_known_targets(kind, layers, ids):
    assert target_layer_ids(kind, layers) == ids


def test_small_target_gives_every_layer_between():
    assert target_layer_ids("qwen3_vl", 8) == (3, 4)
    assert target_layer_ids("qwen3_5", 8) == (1, 2, 3, 4, 5)


def test_always_rising_and_never_the_last_layer():
    for kind, low in (("qwen3_vl", 7), ("qwen3_5", 5)):
        for layers in range(low, 80):
            for count in range(1, 9):
                ids = target_layer_ids(kind, layers, count)
                assert list(ids) == sorted(set(ids))
                assert ids[0] >= 0 and ids[-1] <= layers - 2


def test_too_small_and_unknown_are_refused():
    with pytest.raises(UserError) as error:
        target_layer_ids("qwen3_vl", 6)
    assert error.value.code == "target-too-small"
    with pytest.raises(UserError) as error:
        target_layer_ids("llama", 32)
    assert error.value.code == "unknown-target"
