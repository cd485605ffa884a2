"""Export: what is written is what engines load, and every silent mistake is refused by name."""

import io
import json

import pytest
import torch
from draft_maker import lively_draft, small_config
from draftsmith_trainer.algorithms.store import load_draft, save_draft
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.jobs.export import run
from safetensors.torch import load_file, save_file


def checkpoints_of(root, config, name="step-00000007"):
    save_draft(lively_draft(config), root / "checkpoints" / name)
    save_draft(lively_draft(config, 1), root / "untrained")
    best = {"path": f"checkpoints/{name}", "last": {"path": f"checkpoints/{name}"}}
    (root / "best.json").write_text(json.dumps(best))
    return root / "checkpoints" / name


def export(tmp_path, target, **options):
    job = {"target": str(target), "checkpoints": str(tmp_path / "in"), "workDir": str(tmp_path / "out")}
    (tmp_path / "job.json").write_text(json.dumps({**job, "options": options}))
    out = io.StringIO()
    run(tmp_path / "job.json", Events(out))
    return json.loads(out.getvalue().splitlines()[-1])


def plain_config(**changes):
    return small_config(**{"max_position_embeddings": 2048, **changes})


def test_directory_is_complete_and_equal(tmp_path, target_dirs):
    source = checkpoints_of(tmp_path / "in", plain_config())
    result = export(tmp_path, target_dirs["qwen3_vl"], dtype="fp32")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["config.json", "model.safetensors"]
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["model_type"] == "qwen3" and config["architectures"] == ["DFlashDraftModel"]
    assert config["dflash_config"] == {"block_size": 4, "mask_token_id": 510, "target_layer_ids": [3, 4]}
    assert config["num_target_layers"] == 8 and config["max_position_embeddings"] == 2048
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"]
    assert "weights" in result["facts"]["checks"] and result["counts"]["tensors"] == 25


def test_bf16_and_named_checkpoints(tmp_path, target_dirs):
    checkpoints_of(tmp_path / "in", plain_config())
    export(tmp_path, target_dirs["qwen3_vl"], checkpoint="untrained")
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    assert all(tensor.dtype == torch.bfloat16 for tensor in tensors.values())
    wanted = load_draft(tmp_path / "in" / "untrained").state_dict()
    assert all(torch.equal(tensors[name], wanted[name].bfloat16()) for name in wanted)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["torch_dtype"] == "bfloat16"
    with pytest.raises(UserError) as error:
        export(tmp_path, target_dirs["qwen3_vl"], checkpoint="step-00000001")
    assert error.value.code == "checkpoint-missing" and "step-00000007" in error.value.hint


@pytest.mark.parametrize(
    ("code", "kind", "changes"),
    [
        ("export-rotary", "qwen3_5", {"rotary": "partial", "partial_rotary_factor": 0.5}),
        ("export-rotary", "qwen3_vl", {"rotary": "mrope", "mrope_section": (4, 2, 2)}),
        ("export-hidden-size", "qwen3_vl", {"hidden_size": 32}),
        ("export-vocabulary", "qwen3_vl", {"vocab_size": 600}),
        ("export-layers", "qwen3_vl", {"num_target_layers": 9}),
        ("export-layers", "qwen3_vl", {"target_layer_ids": (1, 4)}),
        ("export-window", "qwen3_vl", {"layer_types": ("sliding_attention",) * 2, "sliding_window": 3}),
    ],
)
def test_contract_failures(tmp_path, target_dirs, code, kind, changes):
    checkpoints_of(tmp_path / "in", plain_config(**changes))
    with pytest.raises(UserError) as error:
        export(tmp_path, target_dirs[kind])
    assert error.value.code == code
    assert not (tmp_path / "out").exists()


def test_other_rotary_is_exported_when_named(tmp_path, target_dirs):
    checkpoints_of(tmp_path / "in", plain_config(rotary="partial", partial_rotary_factor=0.5))
    export(tmp_path, target_dirs["qwen3_5"], allowRotary=["partial"])
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["partial_rotary_factor"] == config["rope_parameters"]["partial_rotary_factor"] == 0.5


def test_layer_one_is_fine_without_deepstack(tmp_path, target_dirs):
    checkpoints_of(tmp_path / "in", plain_config(target_layer_ids=(1, 4)))
    export(tmp_path, target_dirs["qwen3_5"])


def test_short_context_is_refused(tmp_path, target_dirs):
    checkpoints_of(tmp_path / "in", plain_config())
    with pytest.raises(UserError) as error:
        export(tmp_path, target_dirs["qwen3_vl"], maxPositionEmbeddings=1024)
    assert error.value.code == "export-positions"


def test_mask_token_that_text_may_hold(tmp_path, target_dirs):
    target = tmp_path / "target"
    target.mkdir()
    (target / "config.json").write_bytes((target_dirs["qwen3_vl"] / "config.json").read_bytes())
    checkpoints_of(tmp_path / "in", plain_config())
    for ids, hint in (({"hello": 510}, "hello"), ({"<|MASK|>": 509}, "509")):
        (target / "tokenizer.json").write_text(json.dumps({"model": {"vocab": ids}}))
        with pytest.raises(UserError, match=hint) as error:
            export(tmp_path, target)
        assert error.value.code == "export-mask-token"


def test_the_published_mask_of_a_vocabulary_may_be_a_token(tmp_path, target_dirs):
    """Drafts of Qwen3.5 and later mask with 248070, which their tokenizer calls <|audio_start|>."""
    target = tmp_path / "target"
    target.mkdir()
    config = json.loads((target_dirs["qwen3_5"] / "config.json").read_text())
    config["text_config"]["vocab_size"] = 248_320
    (target / "config.json").write_text(json.dumps(config))
    tokens = [{"id": 248_070, "content": "<|audio_start|>"}, {"id": 248_071, "content": "<|audio_end|>"}]
    (target / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {}}, "added_tokens": tokens}))
    checkpoints_of(tmp_path / "in", plain_config(vocab_size=248_320, mask_token_id=248_070))
    export(tmp_path, target)
    checkpoints_of(tmp_path / "in", plain_config(vocab_size=248_320, mask_token_id=248_071))
    with pytest.raises(UserError, match="audio_end") as error:
        export(tmp_path, target)
    assert error.value.code == "export-mask-token"


@pytest.mark.parametrize("fault", ["missing", "nan", "shape"])
def test_weights_are_checked(tmp_path, target_dirs, fault):
    path = checkpoints_of(tmp_path / "in", plain_config()) / "model.safetensors"
    tensors = load_file(path)
    if fault == "missing":
        del tensors["layers.1.mlp.up_proj.weight"]
    elif fault == "nan":
        tensors["fc.weight"][0, 0] = float("inf")
    else:
        tensors["layers.0.self_attn.q_norm.weight"] = torch.ones(8)
    save_file(tensors, path)
    with pytest.raises(UserError) as error:
        export(tmp_path, target_dirs["qwen3_vl"])
    assert error.value.code == "export-weights"
