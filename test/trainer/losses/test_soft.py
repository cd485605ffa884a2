"""Soft labels: the chunked pass equals autograd through the plain form, in value and gradient."""

import numpy as np
import pytest
import torch
from draftsmith_trainer.losses import LossRule, SoftRule, SoftTargets, frozen_head_loss
from draftsmith_trainer.losses.eager import eager_loss
from draftsmith_trainer.losses.soft import soft_divergence
from hypothesis import given
from hypothesis import strategies as st

VOCAB, WIDTH = 31, 10


def problem(blocks, places, seed):
    generator = torch.Generator().manual_seed(seed)
    hidden, own = torch.randn(2, blocks, places, WIDTH, generator=generator)
    labels = torch.randint(0, VOCAB, (blocks, places), generator=generator)
    valid = torch.arange(places) < torch.randint(0, places + 1, (blocks, 1), generator=generator)
    return hidden, own, labels, valid, torch.randn(VOCAB, WIDTH, generator=generator)


def chunked(hidden, own, labels, valid, lm_head, rule, soft, budget=None):
    size = labels.shape[1] + 1
    at = torch.nn.functional.pad(valid, (1, 0)).flatten().nonzero()[:, 0]
    ends = np.concatenate([[0], valid.sum(dim=1).cumsum(0).numpy()])
    targets = SoftTargets(own[valid], soft)
    return frozen_head_loss(hidden[valid], labels[valid], at, ends, size, lm_head, rule, budget, targets)


@given(
    st.integers(1, 8),
    st.integers(1, 6),
    st.integers(0, 2**16),
    st.sampled_from([LossRule(4.0), LossRule(4.0, 0.5)]),
    st.sampled_from([SoftRule(0.5, 1.0), SoftRule(1.0, 2.0), SoftRule(0.1, 0.5)]),
    st.sampled_from([1, 400, 10**9]),
)
def test_chunked_equals_eager(blocks, places, seed, rule, soft, budget):
    hidden, own, labels, valid, lm_head = problem(blocks, places, seed)
    plain, mine = hidden.clone().requires_grad_(), hidden.clone().requires_grad_()
    total, weight = eager_loss(plain, labels, valid, lm_head, rule, SoftTargets(own, soft))
    (total / 3).backward()
    made = chunked(mine, own, labels, valid, lm_head, rule, soft, budget)
    (made.total / 3).backward()
    torch.testing.assert_close(made.total, total, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(made.weight, weight)
    torch.testing.assert_close(mine.grad, plain.grad, atol=2e-6, rtol=1e-4)
    # What D-PACE and the accuracy read is the hard label's, whatever the soft ones say.
    assert torch.equal(made.best, (hidden @ lm_head.T).argmax(-1)[valid])
    losses = torch.nn.functional.cross_entropy((hidden @ lm_head.T)[valid], labels[valid], reduction="none")
    torch.testing.assert_close(made.cross_entropy, losses, atol=1e-5, rtol=1e-5)


def test_the_divergence_from_itself_is_nothing():
    logits = torch.randn(5, VOCAB)
    divergence, slope = soft_divergence(logits, logits.clone(), 2.0)
    torch.testing.assert_close(divergence, torch.zeros(5), atol=1e-6, rtol=0)
    torch.testing.assert_close(slope, torch.zeros(5, VOCAB), atol=1e-6, rtol=0)


def test_at_a_low_temperature_the_soft_label_is_the_target_s_first_choice():
    logits, own = torch.randn(2, 6, VOCAB)
    temperature = 0.01
    divergence, _ = soft_divergence(logits, own, temperature)
    hard = torch.nn.functional.cross_entropy(logits / temperature, own.argmax(-1), reduction="none")
    torch.testing.assert_close(divergence, temperature**2 * hard, rtol=1e-2, atol=1e-4)


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_a_gpu_the_pass_equals_the_fp32_reference(dtype):
    hidden, own, labels, valid, lm_head = problem(40, 7, 3)
    rule, soft = LossRule(4.0), SoftRule(0.4, 1.5)
    plain = hidden.clone().requires_grad_()
    total, _ = eager_loss(plain, labels, valid, lm_head, rule, SoftTargets(own, soft))
    total.backward()
    mine = hidden.cuda().requires_grad_()
    made = chunked(mine, own.cuda(), labels.cuda(), valid.cuda(), lm_head.cuda().to(dtype), rule, soft)
    made.total.backward()
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 5e-2, "atol": 5e-2}
    torch.testing.assert_close(made.total.cpu(), total.detach(), **close)
    torch.testing.assert_close(mine.grad.cpu(), plain.grad, **close)
