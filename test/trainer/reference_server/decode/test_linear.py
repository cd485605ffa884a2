"""Products in either layout against ``F.linear``, and what they leave of the modules that they were made of."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from reference_server.decode import linear
from reference_server.decode.linear import PackedLinear, Product, can_pack, packed_copy
from target_maker import make_model
from torch import nn


def layers(bias):
    torch.manual_seed(0)
    return [nn.Linear(24, width, bias=bias).requires_grad_(False) for width in (8, 16, 40)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@torch.inference_mode()
def test_joined_products_are_the_single_ones_side_by_side(packed, bias):
    made = layers(bias)
    before = [(one.weight.clone(), None if one.bias is None else one.bias.clone()) for one in made]
    x = torch.randn(5, 24)
    wanted = torch.cat([F.linear(x, *pair) for pair in before], dim=1)
    torch.testing.assert_close(Product.joined(made, packed)(x), wanted)
    # Afterwards the modules compute what they did.
    for one, (weight, _) in zip(made, before, strict=True):
        assert torch.equal(one.weight, weight)
    torch.testing.assert_close(torch.cat([one(x) for one in made], dim=1), wanted)


@torch.inference_mode()
def test_unpacked_modules_share_the_joint_memory():
    made = layers(bias=False)
    Product.joined(made, packed=False)
    starts = [one.weight.data_ptr() for one in made]
    assert starts == [starts[0], starts[0] + 8 * 24 * 4, starts[0] + 24 * 24 * 4]


@torch.inference_mode()
def test_a_packed_copy_leaves_the_model_alone():
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 3, bias=False)))
    made = packed_copy(model)
    x = torch.randn(2, 5, 6)
    torch.testing.assert_close(made(x), model(x))
    assert isinstance(made[2][0], PackedLinear)
    assert not any(isinstance(one, PackedLinear) for one in model.modules())


def test_large_and_narrow_models_are_not_packed(monkeypatch):
    model = make_model("qwen3_vl")
    assert can_pack(model) == torch.backends.mkldnn.is_available()
    assert not can_pack(model.bfloat16())
    monkeypatch.setattr(linear, "LARGEST_PACKED", 1000)
    assert not can_pack(model.float())
