"""Runs the Triton kernels in Triton's interpreter, on the CPU, against their references; prints what was compared.

A program of its own: the interpreter is chosen when triton is imported.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["TRITON_INTERPRET"] = "1"
_ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(_ROOT / "src" / "trainer"), str(_ROOT / "test" / "trainer")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from batches import batch_of  # noqa: E402
from draftsmith_trainer.draft.kernel import KernelAttend  # noqa: E402
from draftsmith_trainer.draft.masks import block_mask  # noqa: E402
from draftsmith_trainer.kernels.causal_attention import causal_attention  # noqa: E402
from draftsmith_trainer.kernels.experts import combine, swiglu  # noqa: E402
from draftsmith_trainer.kernels.routing import choose, sort_slots, spread  # noqa: E402
from draftsmith_trainer.kernels.softmax_rows import cross_entropy_gradient_, row_statistics  # noqa: E402
from draftsmith_trainer.kernels.text import add_rms_norm_, norm_rotate_  # noqa: E402
from draftsmith_trainer.kernels.tower import add_layer_norm, layer_norm, rotate_  # noqa: E402
from draftsmith_trainer.losses.rows import plain_gradient_, plain_statistics  # noqa: E402
from draftsmith_trainer.target.attention import segment_attention, segmented  # noqa: E402
from draftsmith_trainer.target.layout import Layout, active  # noqa: E402
from draftsmith_trainer.target.text_layers import TextLayer, fits  # noqa: E402
from target_maker import make_model  # noqa: E402

#: Lengths of documents, blocks in each, places of a block, window, heads, key heads, width of a head.
ATTENTION = [
    ((150, 40), (9, 3), 8, None, 4, 2, 16),
    ((300,), (20,), 16, None, 2, 2, 16),
    ((200, 30), (12, 5), 8, 20, 2, 1, 16),
    ((2,), (1,), 4, None, 2, 1, 16),
    ((150, 40), (9, 3), 8, None, 2, 1, 256),
]


def attention() -> None:
    for lengths, counts, size, window, heads, kv_heads, width in ATTENTION:
        rng = np.random.default_rng(1)
        anchors = [np.sort(rng.choice(n - 1, k, replace=False)) for n, k in zip(lengths, counts, strict=True)]
        batch = batch_of(lengths, anchors, size, multiple=128)
        queries = batch.ids.numel()
        q = torch.randn(1, heads, queries, width, requires_grad=True)
        parts = [
            torch.randn(1, kv_heads, n, width, requires_grad=True)
            for n in (batch.context, batch.context, queries, queries)
        ]
        out = KernelAttend(batch, (window,))(q, (parts[0], parts[1]), (parts[2], parts[3]), window)
        grad = torch.randn_like(out)
        made = torch.autograd.grad(out, (q, *parts), grad)
        mask = block_mask(batch.low, batch.high, size, batch.context, window)
        keys, values = torch.cat((parts[0], parts[2]), 2), torch.cat((parts[1], parts[3]), 2)
        plain = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, enable_gqa=True)
        wanted = torch.autograd.grad(plain, (q, *parts), grad)
        for a, b in zip((out, *made), (plain, *wanted), strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def head() -> None:
    logits = torch.randn(3, 9000) * 4
    labels, weights = torch.tensor([0, 8999, 8192]), torch.rand(3)
    made, wanted = row_statistics(logits, labels), plain_statistics(logits, labels)
    for a, b in zip(made, wanted, strict=True):
        torch.testing.assert_close(a, b)
    tied = torch.zeros(1, 9000)
    assert row_statistics(tied, labels[:1])[2].item() == 0, "the first of equal columns"
    slope = cross_entropy_gradient_(logits.clone(), labels, made[0], weights)
    torch.testing.assert_close(slope, plain_gradient_(logits, labels, wanted[0], weights))


def experts() -> None:
    x = torch.randn(6, 2 * 48)
    torch.testing.assert_close(swiglu(x), F.silu(x[:, :48]) * x[:, 48:])
    slots, weights = torch.randperm(12).view(6, 2).int(), torch.rand(6, 2)
    y = torch.randn(12, 40)
    torch.testing.assert_close(combine(y, slots, weights), (y[slots.long()] * weights[..., None]).sum(1))


def tower() -> None:
    x, delta, weight, bias = torch.randn(5, 72), torch.randn(5, 72), torch.rand(72), torch.randn(72)
    torch.testing.assert_close(layer_norm(x, weight, bias, 1e-6), F.layer_norm(x, (72,), weight, bias, 1e-6))
    total, normed = add_layer_norm(x, delta, weight, bias, 1e-6)
    torch.testing.assert_close(total, x + delta)
    torch.testing.assert_close(normed, F.layer_norm(x + delta, (72,), weight, bias, 1e-6))
    qkv = torch.randn(5, 3, 4, 72)
    angle = torch.randn(5, 36).repeat(1, 2)
    cos, sin = angle.cos(), angle.sin()
    wanted = qkv.clone()
    for part in (0, 1):
        first, second = qkv[:, part].chunk(2, dim=-1)
        turned = torch.cat((-second, first), dim=-1)
        wanted[:, part] = qkv[:, part] * cos[:, None] + turned * sin[:, None]
    rotate_(qkv, cos, sin)
    torch.testing.assert_close(qkv, wanted)


def text() -> None:
    x, delta, weight = torch.randn(5, 72), torch.randn(5, 72), torch.rand(72)
    total = x.clone()
    torch.testing.assert_close(add_rms_norm_(total, None, weight, 1e-6), F.rms_norm(x, (72,), weight, 1e-6))
    assert torch.equal(total, x)
    torch.testing.assert_close(add_rms_norm_(total, delta, weight, 1e-6), F.rms_norm(x + delta, (72,), weight, 1e-6))
    torch.testing.assert_close(total, x + delta)
    for heads, kv_heads, width in ((9, 3, 16), (2, 1, 24)):
        qkv, angle = torch.randn(4, heads + 2 * kv_heads, width), torch.randn(4, 1, width)
        q_weight, k_weight = torch.rand(width), torch.rand(width)
        parts = qkv.split([heads, kv_heads, kv_heads], dim=1)
        wanted = []
        for part, own in zip(parts, (q_weight, k_weight), strict=False):
            normed = F.rms_norm(part, (width,), own, 1e-6)
            first, second = normed.chunk(2, dim=-1)
            wanted.append(normed * angle.cos() + torch.cat((-second, first), dim=-1) * angle.sin())
        made = qkv.flatten(1).clone()
        norm_rotate_(made, q_weight, k_weight, angle.cos()[:, 0], angle.sin()[:, 0], heads, kv_heads, 1e-6)
        torch.testing.assert_close(made.view_as(qkv), torch.cat((*wanted, parts[2]), dim=1))


def routing() -> None:
    for tokens, experts, top_k in ((1, 4, 1), (70, 6, 2), (200, 128, 8), (33, 5, 3)):
        logits = torch.randn(tokens, experts)
        chosen, weights = choose(logits, top_k)
        best, at = logits.softmax(-1).topk(top_k)
        assert torch.equal(chosen.long(), at)
        torch.testing.assert_close(weights, best / best.sum(-1, keepdim=True))
        ends, slot_of, source = sort_slots(chosen, experts)
        order = torch.sort(chosen.flatten(), stable=True)[1]
        assert torch.equal(source.long(), order // top_k)
        assert torch.equal(order[slot_of.flatten().long()], torch.arange(tokens * top_k))
        assert torch.equal(ends.long(), torch.bincount(chosen.flatten(), minlength=experts).cumsum(0))
        x = torch.randn(tokens, 40)
        assert torch.equal(spread(x, slot_of), x[source.long()])
    assert choose(torch.zeros(1, 8), 3)[0].tolist() == [[0, 1, 2]], "the first of equal experts"
    # More blocks of tokens than one step of the scan adds up; some experts get nothing.
    chosen = torch.randint(0, 3, (32 * 70 + 5, 1)) * 2
    ends, slot_of, source = sort_slots(chosen, 7)
    assert torch.equal(source.long(), torch.sort(chosen.flatten(), stable=True)[1])
    assert torch.equal(ends.long(), torch.bincount(chosen.flatten(), minlength=7).cumsum(0))


def causal() -> None:
    for lengths, heads, kv_heads in (((150, 1, 70, 128), 4, 2), ((5,), 2, 2)):
        layout = Layout.of(lengths)
        qkv = torch.randn(sum(lengths), heads + 2 * kv_heads, 16)
        q, k, v = qkv.split([heads, kv_heads, kv_heads], dim=1)
        made = causal_attention(q, k, v, layout.bounds, layout.longest, 0.3)
        wanted = segment_attention(*(x.transpose(0, 1)[None] for x in (q, k, v)), layout, 0.3, True)[0]
        torch.testing.assert_close(made, wanted, atol=1e-5, rtol=1e-4)


def layers() -> None:
    layout = Layout.of((7, 1, 12))
    with torch.no_grad():
        for kind in ("qwen3_vl", "qwen3_vl_moe"):
            model = make_model(kind)
            text = model.model.language_model
            for name, parameter in text.layers.named_parameters():
                if "norm" in name:
                    parameter.uniform_(0.5, 1.5)
            x = torch.randn(20, 64)
            angles = text.rotary_emb(x[None], torch.randint(0, 30, (3, 1, 20)))
            with segmented(model), active(text=layout):
                wanted = x[None]
                for layer in text.layers[:2]:
                    wanted = layer(wanted, position_embeddings=angles, attention_mask=None)
                before = {name: value.clone() for name, value in model.state_dict().items()}
                delta = None
                for layer in text.layers[:2]:
                    assert fits(layer)
                    x, delta = TextLayer(layer)(x, delta, *(angle[0] for angle in angles), layout)
            torch.testing.assert_close(x + delta, wanted[0], atol=1e-5, rtol=1e-4)
            for name, value in model.state_dict().items():
                assert torch.equal(value, before[name]), "joining weights changes none"
    assert not any(fits(layer) for layer in make_model("qwen3_5").model.language_model.layers)


if __name__ == "__main__":
    torch.manual_seed(0)
    for check in (attention, head, experts, tower, text, routing, causal, layers):
        check()
        print(check.__name__)
