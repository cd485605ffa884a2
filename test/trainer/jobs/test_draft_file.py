"""``draft.config``: a file with the draft's shape, options beside it, and what is refused or has no effect."""

import json
from pathlib import Path

import pytest
from draftsmith_trainer.algorithms.settings import config_json, config_notes, new_config
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.draft.options import DraftOptions
from draftsmith_trainer.target import read_spec

ROOT = Path(__file__).parents[3]
TARGETS, CONFIGS = ROOT / "test" / "model" / "targets", ROOT / "configs" / "draft"
#: The configs that the request names, and the target of each.
NAMED = {
    "qwen3-vl-8b-dflash-vlm": "qwen3-vl-8b-instruct",
    "qwen3-vl-30b-a3b-dflash-vlm": "qwen3-vl-30b-a3b-thinking",
    "qwen3.5-9b-dflash-vlm": "qwen3.5-9b",
    "qwen3.5-35b-a3b-dflash-vlm": "qwen3.5-35b-a3b",
}


def spec_of(name):
    return read_spec(TARGETS / name)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize(("suffix", "layers", "rotary"), [("8layer", 5, "mrope"), ("L8", 8, "mrope")])
@pytest.mark.parametrize("plain", [False, True])
def test_the_files_are_what_the_options_give(name, suffix, layers, rotary, plain):
    spec = spec_of(NAMED[name])
    path = CONFIGS / f"{name}-{suffix}{'-plain' if plain else ''}.json"
    wanted = new_config(DraftOptions(layers=layers, rotary="plain" if plain else rotary), spec)
    options = DraftOptions(config=path)
    assert new_config(options, spec) == wanted
    assert config_notes(options, spec) == []
    assert len(wanted.target_layer_ids) == 5 and wanted.num_hidden_layers == layers
    document = json.loads(path.read_text("utf-8"))
    if plain:
        exported = config_json(wanted)
        assert {**document, "dtype": "float32", "torch_dtype": "float32"} == exported


@pytest.fixture
def write(tmp_path):
    def written(**changes):
        document = json.loads((CONFIGS / "qwen3.5-9b-dflash-vlm-8layer.json").read_text("utf-8"))
        document = {key: value for key, value in {**document, **changes}.items() if value is not ...}
        path = tmp_path / "draft.json"
        path.write_text(json.dumps(document), "utf-8")
        return path

    return written


def test_a_file_without_mask_and_layers_takes_the_targets(write):
    """As SpecForge's configs are, which name no mask."""
    spec = spec_of("qwen3.5-9b")
    path = write(dflash_config={}, num_target_layers=...)
    config = new_config(DraftOptions(config=path), spec)
    assert (config.mask_token_id, config.target_layer_ids, config.block_size) == (248070, (1, 8, 15, 22, 29), 8)
    assert (config.rotary, config.partial_rotary_factor, config.mrope_section) == ("mrope", 0.25, (11, 11, 10))


def test_options_win_over_the_file(write):
    spec = spec_of("qwen3.5-9b")

    def made(**options):
        return new_config(DraftOptions(config=path, **options), spec)

    path = write(intermediate_size=4096)
    assert made().intermediate_size == 4096
    assert made(layers=3).layer_types == ("full_attention",) * 3
    assert made(block_size=16, mask_token_id=7, heads=8, kv_heads=2, head_dim=128, rotary="plain").head_dim == 128
    assert made(rotary="plain").rotary_dim == 256 and made(rotary="plain").mrope_section is None
    assert made(rotary="partial").mrope_section is None and made(rotary="partial").rotary_dim == 64
    assert made(target_layer_count=3).target_layer_ids == (1, 15, 29)
    assert made(target_layer_ids=[2, 4]).target_layer_ids == (2, 4)
    assert made(sliding_layers=[1], sliding_window=64).window_of(1) == 64
    types = ["full_attention"] * 4 + ["sliding_attention"]
    path = write(layer_types=types, sliding_window=128, use_sliding_window=True)
    assert made().window_of(4) == 128
    assert made(sliding_layers=[]).sliding_window is None
    with pytest.raises(UserError) as error:
        made(layers=8)
    assert error.value.field == "draft.slidingLayers"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hidden_size": 2048}, "hidden_size is 2048, the target's 4096"),
        (
            {"vocab_size": 151936, "dflash_config": {"mask_token_id": 7}},
            "vocab_size is 151936, but the target's is 248320",
        ),
        ({"num_target_layers": 40}, "num_target_layers is 40, but the target has 32"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu', but only 'silu' is supported"),
        ({"model_type": "llama"}, "model_type is 'llama', but only 'qwen3' or 'qwen3_vl_text' is supported"),
        ({"is_causal": True}, "is_causal is True"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4}}, "rope_scaling.rope_type is 'yarn'"),
        ({"num_key_value_heads": 3}, "num_key_value_heads is 3, which does not divide the 16 attention heads"),
        ({"head_dim": ...}, "lacks head_dim"),
        ({"architectures": ["LlamaForCausalLM"]}, "architecture is LlamaForCausalLM"),
        ({"dflash_config": {"target_layer_ids": [3, 31]}}, "target_layer_ids must lie in 0..30"),
        ({"dflash_config": []}, "dflash_config is [], not an object"),
    ],
)
def test_refused(write, changes, says):
    path = write(**changes)
    with pytest.raises(UserError) as error:
        new_config(DraftOptions(config=path), spec_of("qwen3.5-9b"))
    assert says in error.value.message and str(path) in error.value.message
    assert (error.value.toolkit_code, error.value.field) == ("OPTIONS_INVALID", "draft.config")


def test_missing_and_broken_files(tmp_path):
    spec = spec_of("qwen3.5-9b")
    for text, says in ((None, "cannot be read"), ("{", "is not JSON"), ("[]", "not an object")):
        path = tmp_path / "draft.json"
        if text is not None:
            path.write_text(text)
        with pytest.raises(UserError, match=says):
            new_config(DraftOptions(config=path), spec)


def test_keys_without_effect_are_named(write):
    path = write(initializer_range=0.02, dflash_config={"block_size": 8, "causal": False})
    (note,) = config_notes(DraftOptions(config=path), spec_of("qwen3.5-9b"))
    assert "initializer_range, dflash_config.causal: no effect" in note and str(path) in note
