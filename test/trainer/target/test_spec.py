"""What is read from a target's files without loading it."""

import json

import pytest
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.target.spec import mask_token_id, read_spec


def config_of(directory):
    return json.loads((directory / "config.json").read_text())


def test_all_types_are_read(target_dirs):
    for kind, directory in target_dirs.items():
        spec = read_spec(directory)
        assert (spec.model_type, spec.num_layers, spec.hidden_size, spec.vocab_size) == (kind, 8, 64, 512)
        assert (spec.heads, spec.kv_heads, spec.head_dim, spec.rope_theta) == (4, 2, 16, 5e6)
        assert spec.image_token_id == 500
        assert spec.partial_rotary_factor == (0.5 if kind.startswith("qwen3_5") else 1.0)


def test_hub_style_rope_is_read(target_dirs, tmp_path):
    config = config_of(target_dirs["qwen3_vl"])
    rope = config["text_config"].pop("rope_parameters")
    config["text_config"]["rope_theta"] = rope.pop("rope_theta")
    config["text_config"]["rope_scaling"] = rope
    (tmp_path / "config.json").write_text(json.dumps(config))
    spec = read_spec(tmp_path)
    assert (spec.rope_theta, spec.mrope_section) == (5e6, (4, 2, 2))


def test_missing_and_foreign_configs(tmp_path):
    with pytest.raises(UserError) as error:
        read_spec(tmp_path)
    assert error.value.code == "target-missing"
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match="llama"):
        read_spec(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen3_vl"}')
    with pytest.raises(UserError, match="text_config"):
        read_spec(tmp_path)


def write_tokenizer(directory, ids, added=()):
    added_tokens = [{"id": i, "content": text} for text, i in added]
    (directory / "tokenizer.json").write_text(json.dumps({"model": {"vocab": ids}, "added_tokens": added_tokens}))


def test_mask_token(target_dirs, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config_of(target_dirs["qwen3_vl"])))
    spec = read_spec(tmp_path)
    with pytest.raises(UserError) as error:
        mask_token_id(spec)
    assert error.value.code == "mask-token"
    write_tokenizer(tmp_path, {"a": 0, "b": 1}, [("<|im_end|>", 499)])
    assert mask_token_id(spec) == 500
    write_tokenizer(tmp_path, {"a": 0, "b": 1}, [("<|MASK|>", 17)])
    assert mask_token_id(spec) == 17
    write_tokenizer(tmp_path, {str(i): i for i in range(512)})
    with pytest.raises(UserError) as error:
        mask_token_id(spec)
    assert "maskTokenId" in error.value.hint
