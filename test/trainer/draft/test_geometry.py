"""What a user's draft options make of a target; options that cannot be are named as the user wrote them."""

import pytest
from draftsmith_trainer.algorithms.settings import new_config
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.draft.options import DraftOptions
from draftsmith_trainer.target import read_spec


@pytest.mark.parametrize(
    ("options", "field", "says"),
    [
        ({"target_layer_ids": [3, 9]}, "draft.targetLayerIds", "must lie in 0..6 for a target of 8 layers"),
        ({"target_layer_ids": [4, 3]}, "draft.targetLayerIds", "must be a non-empty ascending list, not [4, 3]"),
        ({"mask_token_id": 100_000}, "draft.maskTokenId", "outside the vocabulary"),
        ({"heads": 3, "kv_heads": 2}, "draft.kvHeads", "does not divide the 3 attention heads"),
        ({"head_dim": 7}, "draft.headDim", "must be even"),
        ({"layers": 2, "sliding_layers": [2]}, "draft.slidingLayers", "names layer 2 of a draft with 2 layers"),
        ({"sliding_layers": [0]}, "draft.slidingWindow", "is needed"),
    ],
)
def test_impossible_options_are_named_as_written(target_dirs, options, field, says):
    with pytest.raises(UserError) as error:
        new_config(DraftOptions(**{"mask_token_id": 510, **options}), read_spec(target_dirs["qwen3_vl"]))
    assert (error.value.code, error.value.field) == ("bad-option", field)
    assert error.value.message.startswith(f"{field} ") and says in error.value.message
