"""The chunked loss equals the plain one, in value and in gradient, for every rule and chunk size."""

import math

import numpy as np
import pytest
import torch
from draftsmith_trainer.losses import LossRule, decay_weights, dpace_weights, frozen_head_loss
from draftsmith_trainer.losses.eager import eager_loss
from hypothesis import given
from hypothesis import strategies as st

VOCAB, WIDTH = 37, 12


def ours(hidden, labels, valid, lm_head, rule, budget=None):
    """The loss of a [blocks, places, width] problem, in the compact form that it takes."""
    places = labels.shape[1]
    at = torch.nn.functional.pad(valid, (1, 0)).flatten().nonzero()[:, 0]
    ends = np.concatenate([[0], valid.sum(dim=1).cumsum(0).numpy()])
    return frozen_head_loss(hidden[valid], labels[valid], at, ends, places + 1, lm_head, rule, budget)


def problem(blocks, places, seed, share=0.7):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(blocks, places, WIDTH, generator=generator)
    labels = torch.randint(0, VOCAB, (blocks, places), generator=generator)
    ends = torch.randint(0, places + 1, (blocks, 1), generator=generator)
    valid = (torch.arange(places) < ends) if share < 1 else torch.ones(blocks, places, dtype=torch.bool)
    return hidden, labels, valid, torch.randn(VOCAB, WIDTH, generator=generator)


@given(
    st.integers(1, 9),
    st.integers(1, 7),
    st.integers(0, 2**16),
    st.sampled_from([LossRule(4.0), LossRule(1.5), LossRule(4.0, 0.5), LossRule(4.0, 0.0), LossRule(4.0, 1.0)]),
    st.sampled_from([1, 300, 10**9]),
)
def test_chunked_equals_eager(blocks, places, seed, rule, budget):
    hidden, labels, valid, lm_head = problem(blocks, places, seed)
    plain = hidden.clone().requires_grad_()
    total, weight = eager_loss(plain, labels, valid, lm_head, rule)
    (total / 3).backward()
    mine = hidden.clone().requires_grad_()
    made = ours(mine, labels, valid, lm_head, rule, budget)
    (made.total / 3).backward()
    torch.testing.assert_close(made.total, total)
    torch.testing.assert_close(made.weight, weight)
    torch.testing.assert_close(mine.grad, plain.grad, atol=1e-6, rtol=1e-5)
    assert torch.equal(made.best, (hidden @ lm_head.T).argmax(-1)[valid])
    plain_losses = torch.nn.functional.cross_entropy((hidden @ lm_head.T)[valid], labels[valid], reduction="none")
    torch.testing.assert_close(made.cross_entropy, plain_losses, atol=1e-5, rtol=1e-5)


def test_gradient_against_finite_differences():
    hidden, labels, valid, lm_head = problem(3, 4, 5)
    hidden, lm_head = hidden.double().requires_grad_(), lm_head.double()
    rule = LossRule(4.0)
    made = ours(hidden, labels, valid, lm_head, rule)
    made.total.backward()
    step = 1e-3
    for place in [(0, 0, 0), (1, 2, 3), (2, 1, 7)]:
        moved = hidden.detach().clone()
        moved[place] += step
        up = ours(moved, labels, valid, lm_head, rule).total
        moved[place] -= 2 * step
        slope = (up - ours(moved, labels, valid, lm_head, rule).total) / (2 * step)
        assert slope.item() == pytest.approx(hidden.grad[place].item(), abs=2e-3)


def test_nothing_valid_is_zero_without_nan():
    hidden, labels, valid, lm_head = problem(2, 3, 0)
    hidden.requires_grad_()
    made = ours(hidden, labels, torch.zeros_like(valid), lm_head, LossRule(4.0))
    made.total.backward()
    assert made.total == 0 and made.weight == 0 and not hidden.grad.any()


def test_decay():
    valid = torch.tensor([[True, True, True, False]])
    wanted = torch.tensor([[1.0, math.exp(-1 / 4), math.exp(-2 / 4), 0.0]])
    torch.testing.assert_close(decay_weights(valid, 4.0), wanted)


@given(st.integers(1, 6), st.integers(0, 2**16), st.floats(0, 1))
def test_dpace_equals_its_definition(places, seed, alpha):
    generator = torch.Generator().manual_seed(seed)
    losses = torch.rand(1, places, generator=generator) * 4
    count = int(torch.randint(0, places + 1, (1,), generator=generator))
    valid = torch.arange(places)[None] < count
    made = dpace_weights(valid, losses, alpha)[0].tolist()
    smooth = [(1 - alpha) * math.exp(-c) + alpha for c in losses[0].tolist()]
    passed = [math.prod(smooth[: m + 1]) for m in range(count)]
    wanted = [sum(passed[j:count]) for j in range(count)] + [0.0] * (places - count)
    assert made == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_dpace_prefers_what_much_hangs_on():
    losses = torch.tensor([[0.1, 0.1, 5.0, 0.1]])
    weights = dpace_weights(torch.ones(1, 4, dtype=torch.bool), losses, 0.1)[0]
    assert weights[0] > weights[1] > weights[2] > weights[3]
    confident = dpace_weights(torch.ones(1, 4, dtype=torch.bool), torch.full((1, 4), 0.01), 0.1)[0]
    assert (confident > weights).all()
