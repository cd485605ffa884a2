"""oneDNN's products and their gradients against PyTorch's own, in float64 as the judge."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from draftsmith_trainer.kernels import products
from draftsmith_trainer.kernels.products import Linear, has_onednn, linear, use_in
from torch import nn

needs_onednn = pytest.mark.skipif(not has_onednn(), reason="this PyTorch has no oneDNN")


def tensors(bias, *shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, 24, generator=generator)
    weight = torch.randn(40, 24, generator=generator)
    return x, weight, torch.randn(40, generator=generator) if bias else None


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (2, 1, 9)])
def test_values_and_gradients_are_those_of_exact_arithmetic(shape, bias):
    given = tensors(bias, *shape)
    grad = torch.randn(*shape, 40, generator=torch.Generator().manual_seed(9))
    made = []
    for dtype, compute in ((torch.float32, linear), (torch.float64, F.linear)):
        leaves = [None if one is None else one.to(dtype, copy=True).requires_grad_() for one in given]
        out = compute(*leaves)
        out.backward(grad.to(dtype))
        made.append([out.detach(), *(one.grad for one in leaves if one is not None)])
    for ours, exact in zip(*made, strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, exact.float(), rtol=1e-5, atol=1e-5)


@needs_onednn
def test_only_what_is_wanted_gets_a_gradient(monkeypatch):
    x, weight, bias = tensors(True, 6)
    x.requires_grad_()
    calls = []
    real = products._product
    monkeypatch.setattr(products, "_product", lambda *given: calls.append(1) or real(*given))
    linear(x, weight, bias).sum().backward()
    assert len(calls) == 2
    assert x.grad is not None and weight.grad is None and bias.grad is None


def test_any_strides_do():
    x, weight, _ = tensors(False, 8)
    torch.testing.assert_close(linear(x[::2], weight), x[::2] @ weight.T)
    back = torch.randn(3, 40)
    torch.testing.assert_close(linear(back, weight.T), back @ weight)


def test_nothing_in_nothing_out():
    _, weight, bias = tensors(True, 1)
    assert linear(torch.empty(0, 24), weight, bias).shape == (0, 40)
    assert linear(torch.empty(2, 0, 24), weight).shape == (2, 0, 40)


def test_other_types_are_left_to_torch():
    x, weight, bias = tensors(True, 4)
    for dtype in (torch.bfloat16, torch.float64):
        given = [one.to(dtype) for one in (x, weight, bias)]
        assert torch.equal(linear(*given), F.linear(*given))
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(x, weight, bias).dtype == torch.bfloat16


def test_a_model_keeps_weights_hooks_and_subclasses():
    class Odd(nn.Linear):
        def forward(self, x):
            return super().forward(x) + 1

    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), Odd(4, 2))
    seen = []
    model[0].register_forward_hook(lambda *_: seen.append(1))
    x = torch.randn(3, 4)
    before, weights = model(x), dict(model.named_parameters())
    use_in(model)
    torch.testing.assert_close(model(x), before)
    assert len(seen) == 2
    assert type(model[0]) is Linear and type(model[2]) is Odd
    assert all(weights[name] is one for name, one in model.named_parameters())


def test_a_patch_embedding_is_one_product():
    for size in ((2, 4, 4), (2, 4, 8)):
        model = nn.Sequential(nn.Conv3d(3, 5, kernel_size=(2, 4, 4), stride=(2, 4, 4)))
        x = torch.randn(7, 3, *size)
        before = model(x)
        use_in(model)
        torch.testing.assert_close(model(x), before)
    padded = nn.Conv3d(3, 5, kernel_size=2, padding=1)
    use_in(padded)
    assert type(padded) is nn.Conv3d
