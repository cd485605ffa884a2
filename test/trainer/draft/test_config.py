"""config.json: what is written can be read, by us and by transformers' Qwen3Config."""

import json

import pytest
from draft_maker import small_config
from draftsmith_trainer.algorithms.settings import config_in, config_json
from draftsmith_trainer.base.errors import UserError

FORMS = [
    small_config(),
    small_config(layer_types=("full_attention", "sliding_attention"), sliding_window=9),
    small_config(rotary="partial", partial_rotary_factor=0.5),
    small_config(rotary="mrope", mrope_section=(4, 2, 2)),
    small_config(rotary="mrope", partial_rotary_factor=0.5, mrope_section=(2, 1, 1)),
]


@pytest.mark.parametrize("config", FORMS)
def test_json_round_trip(config):
    assert config_in(json.loads(json.dumps(config_json(config)))) == config


@pytest.mark.parametrize("config", FORMS)
def test_transformers_reads_it_unchanged(config, tmp_path):
    from transformers import AutoConfig

    (tmp_path / "config.json").write_text(json.dumps(config_json(config)))
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded).__name__ == "Qwen3Config"
    assert loaded.head_dim == config.head_dim
    assert loaded.layer_types == list(config.layer_types)
    assert loaded.sliding_window == config.sliding_window
    assert loaded.rope_parameters["rope_theta"] == config.rope_theta
    assert loaded.dflash_config["mask_token_id"] == config.mask_token_id
    assert loaded.num_target_layers == config.num_target_layers


def test_plain_rotary_writes_no_key_that_engines_read_differently():
    text = json.dumps(config_json(small_config()))
    assert "partial_rotary_factor" not in text
    assert "mrope" not in text


@pytest.mark.parametrize(
    "changes",
    [
        {"mask_token_id": 512},
        {"target_layer_ids": (4, 3)},
        {"target_layer_ids": ()},
        {"target_layer_ids": (3, 7)},
        {"block_size": 1},
        {"num_key_value_heads": 3},
        {"layer_types": ("full_attention",)},
        {"layer_types": ("full_attention", "sliding_attention")},
        {"rotary": "mrope", "mrope_section": (4, 4, 4)},
        {"rotary": "partial", "partial_rotary_factor": 0.05},
    ],
)
def test_impossible_configs_are_refused(changes):
    with pytest.raises(UserError) as error:
        small_config(**changes)
    assert error.value.code == "draft-config"


def test_missing_key_is_named():
    config = config_json(small_config())
    del config["dflash_config"]["mask_token_id"]
    with pytest.raises(UserError, match="mask_token_id"):
        config_in(config)
