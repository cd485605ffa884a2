"""Draft directories: same draft, same bytes; nothing missing or unknown passes."""

import pytest
import torch
from draft_maker import lively_draft, small_config
from draftsmith_trainer.algorithms.drafts import new_draft
from draftsmith_trainer.algorithms.store import load_draft, save_draft
from draftsmith_trainer.base.errors import UserError
from safetensors.torch import load_file, save_file

SERVED_NAMES = {
    *(f"layers.{n}.self_attn.{p}_proj.weight" for n in (0, 1) for p in "qkvo"),
    *(f"layers.{n}.self_attn.{p}_norm.weight" for n in (0, 1) for p in "qk"),
    *(f"layers.{n}.{p}_layernorm.weight" for n in (0, 1) for p in ("input", "post_attention")),
    *(f"layers.{n}.mlp.{p}_proj.weight" for n in (0, 1) for p in ("gate", "up", "down")),
    *("fc.weight", "hidden_norm.weight", "norm.weight"),
}


def test_names_are_the_served_ones(tmp_path):
    save_draft(new_draft(small_config(), 0), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    assert set(tensors) == SERVED_NAMES
    assert tensors["fc.weight"].shape == (64, 2 * 64)


def test_same_seed_same_bytes(tmp_path):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        save_draft(new_draft(small_config(), seed), tmp_path / name)
    a, b, c = ((tmp_path / n / "model.safetensors").read_bytes() for n in "abc")
    assert a == b and a != c


def test_round_trip_and_prefix(tmp_path):
    draft = lively_draft(small_config())
    save_draft(draft, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file({f"model.{name}": tensor for name, tensor in tensors.items()}, tmp_path / "model.safetensors")
    loaded = load_draft(tmp_path, torch.float32)
    assert all(torch.equal(p, loaded.state_dict()[n]) for n, p in draft.state_dict().items())
    assert not loaded.training


@pytest.mark.parametrize("fault", ["missing", "unknown", "shape", "nan", "truncated", "absent"])
def test_faults_are_refused(tmp_path, fault):
    save_draft(lively_draft(small_config()), tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    if fault == "missing":
        del tensors["norm.weight"]
    elif fault == "unknown":
        tensors["embed_tokens.weight"] = torch.zeros(2, 2)
    elif fault == "shape":
        tensors["fc.weight"] = tensors["fc.weight"].T.contiguous()
    elif fault == "nan":
        tensors["norm.weight"][3] = float("nan")
    save_file(tensors, path)
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif fault == "absent":
        path.unlink()
    with pytest.raises(UserError) as error:
        load_draft(tmp_path)
    assert error.value.code == {"truncated": "draft-damaged", "absent": "draft-missing"}.get(fault, "draft-weights")


def test_engines_of_other_users_can_read_the_weights(tmp_path):
    save_draft(new_draft(small_config(), 0), tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o044 == 0o044
