"""Block-scaled FP8 snapshots load as their dequantised weights; other quantizations are refused by field."""

import json
import re
import shutil

import pytest
import torch
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.target import capture_row, load_target, read_spec
from draftsmith_trainer.target.fp8 import dequantise
from draftsmith_trainer.target.quantization import BlockScales
from fp8_maker import KEPT, formula, quantise, quantised, quantization_config, write_sharded
from safetensors.torch import load_file, save_file
from target_maker import MODEL_TYPES

#: Neither side of a block divides the widths of the tiny targets: 64, 128, 96, 48, 32.
RAGGED = [40, 28]


def write_fp8(source, directory, block, form="as saved", dtype=torch.float32):
    """An FP8 snapshot in two files of ``source``, and beside it one of the same weights dequantised."""
    plain_dir = directory.with_name(f"{directory.name}-plain")
    for made in (directory, plain_dir):
        shutil.copytree(source, made, ignore=shutil.ignore_patterns("*.safetensors"))
    fp8, plain = quantised(load_file(source / "model.safetensors"), block, form == "per expert", dtype)
    save_file(plain, plain_dir / "model.safetensors", metadata={"format": "pt"})
    write_sharded(directory, fp8)
    config = json.loads((directory / "config.json").read_text())
    config["quantization_config"] = quantization_config(block, fp8)
    (directory / "config.json").write_text(json.dumps(config))
    return plain_dir


def weights(directory, dtype=torch.float32, whole=False):
    target = load_target(read_spec(directory), (1, 3), dtype, whole=whole)
    return target, dict(target.model.named_parameters())


@pytest.mark.parametrize("block", [RAGGED, [128, 128], [16, 16]])
def test_dequantise_is_the_formula(block):
    weight = torch.randn(70, 90)
    quantised, scales = quantise(weight, block)
    for dtype in (torch.float32, torch.bfloat16):
        made = dequantise(quantised, scales, BlockScales(*block), dtype)
        assert torch.equal(made, formula(quantised, scales, block, dtype))
    assert (made.float() - weight).abs().max() < 0.07 * weight.abs().max()
    stacked = torch.stack([quantised, quantised])
    both = dequantise(stacked, torch.stack([scales, 2 * scales]), BlockScales(*block), torch.float32)
    assert torch.equal(both[1], 2 * both[0])


@pytest.mark.parametrize("kind", MODEL_TYPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equals_the_dequantised_checkpoint(tmp_path, target_dirs, kind, dtype):
    plain = write_fp8(target_dirs[kind], tmp_path / "fp8", RAGGED)
    target, found = weights(tmp_path / "fp8", dtype)
    reference, wanted = weights(plain, dtype)
    assert found.keys() == wanted.keys()
    assert all(found[name].dtype == dtype and torch.equal(found[name], wanted[name]) for name in wanted)
    _, original = weights(target_dirs[kind], dtype)
    changed = [name for name in wanted if not torch.equal(wanted[name], original[name])]
    assert any("self_attn.q_proj" in name for name in changed) and any("mlp" in name for name in changed)
    assert not any(kept in name for name in changed for kept in KEPT)
    ids = torch.arange(20)
    states = [capture_row(one, ids, torch.zeros(20), None, None).states for one in (target, reference)]
    assert torch.equal(*states)


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("qwen3_vl_moe", "per expert"),
        ("qwen3_vl_moe", "fused"),
        ("qwen3_vl_moe", "fused and transposed"),
        ("qwen3_5_moe", "per expert"),
        ("qwen3_5_moe", "fused"),
    ],
)
def test_experts_in_every_form(tmp_path, target_dirs, kind, form):
    source = fused(target_dirs[kind], tmp_path / "source", transposed=form.endswith("transposed"))
    plain = write_fp8(source, tmp_path / "fp8", RAGGED, form)
    _, found = weights(tmp_path / "fp8")
    _, wanted = weights(plain)
    assert any("experts.gate_up_proj" in name for name in wanted)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def fused(source, directory, transposed):
    """``source`` with fused experts, [E, 2I, H] or, as older snapshots have them, [E, H, 2I]."""
    shutil.copytree(source, directory)
    tensors = load_file(directory / "model.safetensors")
    groups = {}
    for name in list(tensors):
        match = re.match(r"(.*\.experts)\.(\d+)\.(\w+)_proj\.weight$", name)
        if match:
            groups.setdefault(match[1], {})[int(match[2]), match[3]] = tensors.pop(name)
    for name, parts in groups.items():
        numbers = range(1 + max(number for number, _ in parts))
        tensors[f"{name}.down_proj"] = torch.stack([parts[n, "down"] for n in numbers])
        gates = [torch.cat((parts[n, "gate"], parts[n, "up"])) for n in numbers]
        tensors[f"{name}.gate_up_proj"] = torch.stack(gates)
    for name in tensors:
        if transposed and "experts." in name and tensors[name].dim() == 3:
            tensors[name] = tensors[name].transpose(1, 2).contiguous()
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    return directory


def test_layers_behind_the_cut_are_not_read(tmp_path, target_dirs):
    write_fp8(target_dirs["qwen3_vl"], tmp_path / "fp8", RAGGED)
    tensors = all_tensors(tmp_path / "fp8")
    del tensors["model.language_model.layers.6.self_attn.q_proj.weight_scale_inv"]
    write_sharded(tmp_path / "fp8", tensors)
    target, _ = weights(tmp_path / "fp8")
    assert len(target.model.model.language_model.layers) == 4
    with pytest.raises(UserError, match=r"layers\.6\.self_attn\.q_proj\.weight is FP8 but has no scales") as error:
        weights(tmp_path / "fp8", whole=True)
    assert error.value.code == "target-weights"


def all_tensors(directory):
    return {name: value for path in directory.glob("*.safetensors") for name, value in load_file(path).items()}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t, q: t.update({f"{q}_scale_inv": t[f"{q}_scale_inv"][:1]}), r"has scales \[1, 3\].*need \[2, 3\]"),
        (lambda t, q: t.update({q: t[q].float()}), "has scales but is F32"),
        (lambda t, q: t.pop(q) is t.pop(f"{q}_scale_inv"), r"weights are missing.*q_proj"),
    ],
)
def test_damaged_snapshots_are_named(tmp_path, target_dirs, spoil, message):
    write_fp8(target_dirs["qwen3_vl"], tmp_path / "fp8", RAGGED)
    tensors = all_tensors(tmp_path / "fp8")
    spoil(tensors, "model.language_model.layers.2.self_attn.q_proj.weight")
    write_sharded(tmp_path / "fp8", tensors)
    with pytest.raises(UserError, match=message) as error:
        weights(tmp_path / "fp8")
    assert error.value.code == "target-weights"


def test_missing_expert_and_files_outside_are_named(tmp_path, target_dirs):
    source = fused(target_dirs["qwen3_vl_moe"], tmp_path / "source", transposed=False)
    write_fp8(source, tmp_path / "fp8", RAGGED, "per expert")
    tensors = all_tensors(tmp_path / "fp8")
    key = "model.language_model.layers.1.mlp.experts.3.up_proj.weight"
    del tensors[key], tensors[f"{key}_scale_inv"]
    write_sharded(tmp_path / "fp8", tensors)
    with pytest.raises(UserError, match=re.escape(f"weights are missing, first {key}")):
        weights(tmp_path / "fp8")
    index = tmp_path / "fp8" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../source/model.safetensors"}}))
    with pytest.raises(UserError, match="not a file name in its directory"):
        weights(tmp_path / "fp8")


@pytest.mark.parametrize(
    ("quantization", "field"),
    [
        ({"quant_method": "awq", "bits": 4}, "quantization_config.quant_method is 'awq'"),
        ({"quant_method": "gptq"}, "quantization_config.quant_method is 'gptq'"),
        ({"load_in_4bit": True}, r"quant_method is None \(load_in_4bit\)"),
        ({"quant_method": "compressed-tensors"}, "'compressed-tensors'"),
        ({"quant_method": "fp8", "fmt": "e5m2", "weight_block_size": [128, 128]}, "fmt is 'e5m2'"),
        ({"quant_method": "fp8", "activation_scheme": "static"}, "activation_scheme is 'static'"),
        ({"quant_method": "fp8", "fmt": "e4m3"}, "weight_block_size is None"),
        ({"quant_method": "fp8", "weight_block_size": [128]}, r"weight_block_size is \[128\]"),
        ("int8", "quantization_config is not an object"),
    ],
)
@pytest.mark.parametrize("inner", [False, True])
def test_other_quantizations_are_refused_by_field(tmp_path, target_dirs, quantization, field, inner):
    shutil.copytree(target_dirs["qwen3_vl"], tmp_path / "target")
    path = tmp_path / "target" / "config.json"
    config = json.loads(path.read_text())
    (config["text_config"] if inner else config)["quantization_config"] = quantization
    path.write_text(json.dumps(config))
    with pytest.raises(UserError, match=field) as error:
        read_spec(tmp_path / "target")
    assert error.value.code == "target-quantization"
    assert "weight_block_size" in error.value.hint
    assert ("text_config." in error.value.message) == inner


def test_the_reference_server_says_what_the_dequantised_checkpoint_says(tmp_path, target_dirs):
    from reference_server.decode.decoder import Decoder
    from reference_server.decode.greedy import generate

    plain = write_fp8(target_dirs["qwen3_vl_moe"], tmp_path / "fp8", RAGGED, "per expert")
    said = [generate(Decoder.load(one), torch.arange(9), max_new_tokens=12).ids for one in (tmp_path / "fp8", plain)]
    assert said[0] == said[1] and len(said[0]) == 12
