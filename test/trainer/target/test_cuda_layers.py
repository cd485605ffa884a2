"""On a CUDA device in bf16: layers, routing, attention and tower MLP by our kernels, each against fp32."""

import copy

import pytest
import torch
import torch.nn.functional as F
from draftsmith_trainer.target.attention import segment_attention, segmented
from draftsmith_trainer.target.layout import Layout, active
from draftsmith_trainer.target.text_layers import TextLayer, fits
from draftsmith_trainer.target.tower_blocks import _activated
from target_maker import tiny_config

pytestmark = pytest.mark.cuda
DEVICE = torch.device("cuda")
LENGTHS = (700, 1, 130, 512, 705)


def wide_model(kind):
    """Two text layers and tower blocks at widths that real targets have; norms and biases that are not trivial."""
    from transformers import AutoModelForImageTextToText

    config = tiny_config(kind)
    text, vision = config.text_config, config.vision_config
    text.num_hidden_layers, text.hidden_size, text.head_dim, text.intermediate_size = 2, 1024, 128, 3072
    text.num_attention_heads, text.num_key_value_heads = 16, 4
    text.rope_parameters["mrope_section"] = [24, 20, 20]
    if kind.endswith("_moe"):
        text.num_experts, text.num_experts_per_tok, text.moe_intermediate_size = 32, 4, 384
    vision.hidden_size, vision.intermediate_size, vision.num_heads, vision.out_hidden_size = 288, 1088, 4, 1024
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data.uniform_(0.5, 1.5)
        else:
            parameter.data.normal_(0, 0.02)
    return model.bfloat16().to(DEVICE)


def off(made, exact):
    """Relative error."""
    return ((made.double() - exact.double()).norm() / exact.double().norm()).item()


@torch.no_grad()
@pytest.mark.parametrize("kind", ["qwen3_vl", "qwen3_vl_moe"])
def test_layers_err_no_more_than_those_of_transformers(kind):
    model = wide_model(kind)
    text, layout = model.model.language_model, Layout.of(LENGTHS).to(DEVICE)
    x = torch.randn(sum(LENGTHS), 1024, device=DEVICE).bfloat16()
    positions = layout.places.long()[None, None].expand(3, 1, -1)
    angles = text.rotary_emb(x[None], positions)
    exact_model = copy.deepcopy(model).float()
    with segmented(exact_model), active(text=layout):
        exact = x[None].float()
        for layer in exact_model.model.language_model.layers:
            exact = layer(exact, position_embeddings=tuple(a.float() for a in angles), attention_mask=None)
    with segmented(model), active(text=layout):
        plain = x[None]
        for layer in text.layers:
            plain = layer(plain, position_embeddings=angles, attention_mask=None)
        total, delta = x.clone(), None
        for layer in text.layers:
            assert fits(layer)
            total, delta = TextLayer(layer)(total, delta, *(angle[0] for angle in angles), layout)
    assert off(plain[0], exact[0]) < 0.05, "bf16 and fp32 have nothing in common"
    assert off(total + delta, exact[0]) <= 1.1 * off(plain[0], exact[0])


@pytest.mark.parametrize(
    ("heads", "kv_heads", "width"), [(32, 4, 128), (32, 8, 128), (8, 8, 64), (4, 2, 16), (8, 2, 256)]
)
def test_causal_attention_errs_as_flash_attention_does(heads, kv_heads, width):
    layout = Layout.of(LENGTHS).to(DEVICE)
    torch.manual_seed(0)
    # As layers pass them: slices of one product.
    qkv = torch.randn(sum(LENGTHS), heads + 2 * kv_heads, width, device=DEVICE).bfloat16()
    q, k, v = qkv.split([heads, kv_heads, kv_heads], dim=1)
    made = segment_attention(*(x.transpose(0, 1)[None] for x in (q, k, v)), layout, width**-0.5, True)[0]
    whole = [x.float().transpose(0, 1)[None] for x in (q, k, v)]
    exact = segment_attention(*whole, layout, width**-0.5, True)[0]
    bounds, longest = layout.bounds, layout.longest
    flash = torch.ops.aten._flash_attention_forward(
        q, k, v, bounds, bounds, longest, longest, 0.0, True, False, scale=width**-0.5
    )[0]
    assert off(made, exact) <= 1.1 * off(flash, exact)
    # Other documents keep their bits when one changes.
    qkv[700:831] = qkv[700:831].flip(-1)
    again = segment_attention(*(x.transpose(0, 1)[None] for x in (q, k, v)), layout, width**-0.5, True)[0]
    assert torch.equal(again[:700], made[:700]) and torch.equal(again[831:], made[831:])
    assert not torch.equal(again[701:831], made[701:831])


@pytest.mark.parametrize(("tokens", "experts", "top_k"), [(11_200, 128, 8), (4097, 256, 8), (3, 60, 4)])
def test_routing_is_a_stable_sort(tokens, experts, top_k):
    from draftsmith_trainer.kernels.routing import choose, sort_slots, spread

    torch.manual_seed(0)
    # In bf16 many logits are equal.
    logits = torch.randn(tokens, experts, device=DEVICE).bfloat16()
    chosen, weights = choose(logits, top_k)
    best, at = (x[:, :top_k] for x in torch.sort(logits.float(), dim=1, descending=True, stable=True))
    assert torch.equal(chosen.long(), at)
    torch.testing.assert_close(weights.float(), best.softmax(-1), atol=0, rtol=4e-3)
    ends, slot_of, source = sort_slots(chosen, experts)
    order = torch.sort(chosen.flatten(), stable=True)[1]
    assert torch.equal(source.long(), order // top_k)
    assert torch.equal(order[slot_of.flatten().long()], torch.arange(tokens * top_k, device=DEVICE))
    assert torch.equal(ends.long(), torch.bincount(chosen.flatten(), minlength=experts).cumsum(0))
    x = torch.randn(tokens, 2048, device=DEVICE).bfloat16()
    assert torch.equal(spread(x, slot_of), x[source.long()])


@torch.no_grad()
def test_the_products_own_gelu_errs_less_than_the_separate_one():
    mlp = wide_model("qwen3_vl").model.visual.blocks[0].mlp
    x = torch.randn(1111, 288, device=DEVICE).bfloat16() * 4
    fc = mlp.linear_fc1
    exact = F.gelu(F.linear(x.float(), fc.weight.float(), fc.bias.float()), approximate="tanh")
    assert off(_activated(mlp, x), exact) <= off(mlp.act_fn(fc(x)), exact)
