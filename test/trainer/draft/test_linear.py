"""Working copies compute what autocast computes, and follow their weights."""

import numpy as np
import pytest
import torch
from batches import batch_of
from draft_maker import lively_draft, small_config
from draftsmith_trainer.draft.attend import make_attend
from draftsmith_trainer.draft.linear import Linear, WorkingCopies


def gradients(draft, seed=0):
    """Output and gradients of a pass under autocast to bf16."""
    torch.manual_seed(seed)
    batch = batch_of([12, 9], [np.array([3, 7]), np.array([5])], draft.config.block_size)
    states = torch.randn(1, batch.context, draft.fc.in_features).bfloat16()
    noise = torch.randn(1, batch.ids.numel(), draft.config.hidden_size).bfloat16()
    attend = make_attend("sdpa", batch)
    draft.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        out = draft(states, batch.context_positions[None], noise, batch.positions[None], attend)
    (out.float() * torch.randn(out.shape)).sum().backward()
    return out.detach(), {name: p.grad.clone() for name, p in draft.named_parameters()}


@pytest.mark.parametrize("bias", [False, True])
def test_a_pass_with_copies_is_a_pass_under_autocast(bias):
    draft = lively_draft(small_config(attention_bias=bias)).train()
    names = list(draft.state_dict())
    plain, wanted = gradients(draft)
    WorkingCopies(draft, torch.bfloat16)
    assert all(module.working is not None for module in draft.modules() if isinstance(module, Linear))
    assert list(draft.state_dict()) == names
    out, made = gradients(draft)
    # A bias is added to a product that was rounded before.
    assert (out - plain).norm() <= (2e-2 if bias else 1e-5) * plain.norm()
    # Keys and values are projected twice, and autocast adds the two gradients in 16 bits.
    bound = 3e-2 if bias else 4e-3
    for name, gradient in made.items():
        assert gradient.dtype == torch.float32
        assert (gradient - wanted[name]).norm() <= bound * wanted[name].norm(), name


def test_copies_follow_their_weights_when_renewed():
    layer = Linear(8, 4, bias=False)
    copies = WorkingCopies(layer, torch.bfloat16)
    x = torch.randn(3, 8).bfloat16()
    before = layer(x)
    with torch.no_grad():
        layer.weight.mul_(2)
    assert torch.equal(layer(x), before)
    copies.renew()
    assert torch.equal(layer(x), 2 * before)
