"""The families' tiny checkpoints: laid out as published, and the same target in every form."""

import json

import pytest
import torch
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.target import capture_row, load_target, read_spec
from draftsmith_trainer.target.spec import mask_token_id
from safetensors import safe_open

from families.names import FAMILIES
from families.snapshot import write_family


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(name, form) -> directory, written once."""
    root = tmp_path_factory.mktemp("families")

    def directory(name, form="hub"):
        path = root / f"{name}-{form}"
        return path if path.exists() else write_family(name, path, form)

    return directory


def shapes_of(directory):
    index = json.loads((directory / "model.safetensors.index.json").read_text())
    found = {}
    for file in set(index["weight_map"].values()):
        with safe_open(directory / file, "pt") as opened:
            found |= {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118
    assert found.keys() == index["weight_map"].keys()
    return found


def states_of(directory):
    spec = read_spec(directory)
    target = load_target(spec, (3, 4), torch.float32)
    ids = torch.arange(40, 60)
    return capture_row(target, ids, torch.zeros_like(ids), None, None).states, target


@pytest.mark.parametrize("name", FAMILIES)
def test_files_and_configs_are_those_of_the_published_snapshot(made, name):
    family, directory = FAMILIES[name], made(name)
    files = {path.name for path in directory.iterdir()}
    expected = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json"}
    expected |= {"merges.txt", "preprocessor_config.json", "video_preprocessor_config.json", "README.md"}
    expected |= {"model.safetensors.index.json", family.template_file}
    expected |= {family.shards.format(number, 2) for number in (1, 2)}
    assert files == expected
    published, tiny = json.loads(family.config.read_text()), json.loads((directory / "config.json").read_text())
    assert published.keys() == tiny.keys()
    for section in ("text_config", "vision_config"):
        assert published[section].keys() == tiny[section].keys()
    spec = read_spec(directory)
    assert not spec.tied and not spec.notes and spec.vocab_size == 2048
    assert mask_token_id(spec) == (2007 if spec.model_type.startswith("qwen3_5") else 2000)
    assert spec.partial_rotary_factor == (0.25 if spec.model_type.startswith("qwen3_5") else 1.0)


def test_experts_are_laid_out_as_on_the_hub(made):
    shapes = shapes_of(made("qwen3-vl-30b-a3b-thinking"))
    assert shapes["model.language_model.layers.0.mlp.experts.gate_up_proj"] == (8, 64, 48)
    assert shapes["model.language_model.layers.0.mlp.experts.down_proj"] == (8, 24, 64)
    for name in ("qwen3.5-35b-a3b", "qwen3.6-35b-a3b"):
        shapes = shapes_of(made(name))
        assert shapes["model.language_model.layers.0.mlp.experts.gate_up_proj"] == (8, 48, 64)
        assert shapes["model.language_model.layers.0.mlp.experts.down_proj"] == (8, 64, 24)
        assert shapes["model.language_model.layers.0.mlp.shared_expert.up_proj.weight"] == (40, 64)
        assert shapes["mtp.fc.weight"] == (64, 128)
    fp8 = shapes_of(made("qwen3.5-35b-a3b", "fp8"))
    assert fp8["model.language_model.layers.0.mlp.experts.7.down_proj.weight_scale_inv"] == (2, 1)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_form_is_the_same_target(made, name):
    hub, target = states_of(made(name))
    assert target.embed.data_ptr() != target.lm_head.data_ptr() and target.lm_head.shape == (2048, 64)
    saved, _ = states_of(made(name, "saved"))
    torch.testing.assert_close(saved, hub, atol=1e-6, rtol=1e-6)
    fp8, _ = states_of(made(name, "fp8"))
    assert not torch.equal(fp8, hub)
    # e4m3 keeps three bits of a weight's fraction.
    assert (fp8 - hub).norm() < 0.1 * hub.norm()


@pytest.mark.parametrize("name", ["qwen3-vl-8b-instruct", "qwen3.5-35b-a3b"])
def test_tied_resized_and_single_file(made, name, tmp_path):
    """The embedding is found by transformers whatever the snapshot's form, without a flag."""
    from transformers import AutoModelForImageTextToText

    source = made(name)
    model = AutoModelForImageTextToText.from_pretrained(source, dtype=torch.float32)
    model.resize_token_embeddings(2112)
    model.save_pretrained(tmp_path / "resized")
    states, target = states_of(tmp_path / "resized")
    assert target.spec.vocab_size == 2112 and target.embed.shape == target.lm_head.shape == (2112, 64)
    torch.testing.assert_close(states, states_of(source)[0], atol=1e-6, rtol=1e-6)
    model.config.tie_word_embeddings = True
    model.tie_weights()
    model.save_pretrained(tmp_path / "tied")
    _, target = states_of(tmp_path / "tied")
    assert target.spec.tied and target.embed.data_ptr() == target.lm_head.data_ptr()
    config = json.loads((tmp_path / "tied" / "config.json").read_text())
    config["tie_word_embeddings"], config["text_config"]["tie_word_embeddings"] = False, True
    (tmp_path / "tied" / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"1 weights are missing, first lm_head\.weight") as error:
        states_of(tmp_path / "tied")
    assert "tie_word_embeddings: true at its top level" in error.value.hint


def test_the_same_seed_gives_the_same_bytes(made, tmp_path):
    again = write_family("qwen3.5-9b", tmp_path / "again")
    for path in made("qwen3.5-9b").iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()
