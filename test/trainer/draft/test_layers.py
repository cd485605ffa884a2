"""The layer's arithmetic, against transformers' Qwen3: without context, causal in the block, the two are the same."""

import numpy as np
import pytest
import torch
from batches import batch_of
from draft_maker import lively_draft, small_config
from draftsmith_trainer.draft.attend import make_attend
from draftsmith_trainer.draft.layers import RMSNorm


def qwen3_with_weights_of(draft):
    from transformers import Qwen3Config, Qwen3Model

    config = draft.config
    theirs = Qwen3Model(
        Qwen3Config(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            num_key_value_heads=config.num_key_value_heads,
            head_dim=config.head_dim,
            intermediate_size=config.intermediate_size,
            rms_norm_eps=config.rms_norm_eps,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        )
    ).eval()
    missing, unknown = theirs.load_state_dict(draft.state_dict(), strict=False)
    assert missing == ["embed_tokens.weight"] and sorted(unknown) == ["fc.weight", "hidden_norm.weight"]
    return theirs


@pytest.mark.parametrize("attention", ["sdpa", "split"])
@torch.no_grad()
def test_causal_block_without_context_is_qwen3(attention):
    size = 6
    types = ("sliding_attention", "sliding_attention")
    draft = lively_draft(small_config(block_size=size, layer_types=types, sliding_window=size))
    noise = torch.randn(1, 2 * size, 64)
    attend = make_attend(attention, batch_of([2 * size] * 2, [np.array([0])] * 2, size))
    positions = torch.arange(size).repeat(2)[None]
    empty = torch.zeros(1, 2, 0, 16)
    ours = draft.blocks(noise, [(empty, empty)] * 2, positions, attend)
    theirs = qwen3_with_weights_of(draft)(inputs_embeds=noise.view(2, size, 64)).last_hidden_state
    torch.testing.assert_close(ours.view(2, size, 64), theirs, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_context_keys_are_not_normed_again():
    """Keys of the context come from hidden_norm(fc(states)) as it is; the input norm is for the block only."""
    draft = lively_draft(small_config())
    states = torch.randn(1, 5, 128)
    draft.layers[0].input_layernorm.weight.fill_(7.0)
    before = draft.context_keys(states, torch.arange(5)[None])[0][1]
    wanted = (draft.hidden_norm(draft.fc(states)) @ draft.layers[0].self_attn.v_proj.weight.T).view(1, 5, 2, 16)
    torch.testing.assert_close(before, wanted.transpose(1, 2))


def test_norm_in_bf16_rounds_where_qwen3_does():
    from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

    ours, theirs = RMSNorm(64, 1e-6), Qwen3RMSNorm(64, 1e-6)
    weight = torch.rand(64) + 0.5
    for norm, dtype in ((ours, torch.bfloat16), (theirs, torch.bfloat16)):
        norm.weight.data = weight.to(dtype)
    x = torch.randn(3, 64, dtype=torch.bfloat16)
    assert torch.equal(ours(x), theirs(x))


def test_no_anchor_gives_no_nan_in_values_or_gradients():
    draft = lively_draft(small_config()).train()
    for attention in ("sdpa", "split"):
        # A block anchored at 0 has no context either; two more are padding.
        batch = batch_of([9], [np.array([0])], 4, multiple=12)
        attend = make_attend(attention, batch)
        out = draft(torch.randn(1, 12, 128), batch.context_positions[None], torch.randn(1, 12, 64),
                    batch.positions[None], attend)  # fmt: skip
        assert torch.isfinite(out).all()
        draft.zero_grad()
        out.square().sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in draft.parameters())
