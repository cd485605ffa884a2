"""Rotary modes, held against transformers' own rotary modules."""

import pytest
import torch
from draft_maker import small_config
from draftsmith_trainer.draft.rotary import Rotary, apply_rotary
from target_maker import make_model


def positions_of(batch=2, length=9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 50, (3, batch, length), generator=generator)


def test_plain_equals_qwen3():
    from transformers.models.qwen3.modeling_qwen3 import Qwen3Config, Qwen3RotaryEmbedding, apply_rotary_pos_emb

    theirs = Qwen3RotaryEmbedding(
        Qwen3Config(head_dim=16, rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0})
    )
    q, k, places = torch.randn(2, 4, 9, 16), torch.randn(2, 2, 9, 16), positions_of()[0]
    wanted_q, wanted_k = apply_rotary_pos_emb(q, k, *theirs(q, places))
    angles = Rotary(small_config())(places)
    torch.testing.assert_close(apply_rotary(q, *angles), wanted_q)
    torch.testing.assert_close(apply_rotary(k, *angles), wanted_k)


@pytest.mark.parametrize(("kind", "factor", "section"), [("qwen3_vl", 1.0, (4, 2, 2)), ("qwen3_5", 0.5, (2, 1, 1))])
def test_mrope_equals_the_target(kind, factor, section):
    theirs = make_model(kind).model.language_model.rotary_emb
    places = positions_of()
    config = small_config(rotary="mrope", rope_theta=5e6, partial_rotary_factor=factor, mrope_section=section)
    cos, sin = Rotary(config)(places)
    wanted_cos, wanted_sin = theirs(torch.zeros(1), places)
    torch.testing.assert_close(cos, wanted_cos)
    torch.testing.assert_close(sin, wanted_sin)


def test_partial_leaves_the_rest_of_the_head():
    x = torch.randn(1, 2, 5, 16)
    turned = apply_rotary(x, *Rotary(small_config(rotary="partial", partial_rotary_factor=0.5))(torch.arange(5)[None]))
    assert torch.equal(turned[..., 8:], x[..., 8:])
    assert not torch.allclose(turned[..., 1:, :8], x[..., 1:, :8])


def test_mrope_with_equal_axes_is_plain():
    config = small_config(rotary="mrope", mrope_section=(4, 2, 2))
    places = torch.arange(7)[None]
    plain, three = Rotary(small_config())(places), Rotary(config)(places.expand(3, 1, 7))
    torch.testing.assert_close(plain, three)
