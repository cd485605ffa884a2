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
from draftsmith_trainer.kernels.experts import combine, swiglu  # noqa: E402
from draftsmith_trainer.kernels.softmax_rows import cross_entropy_gradient_, row_statistics  # noqa: E402
from draftsmith_trainer.kernels.tower import add_layer_norm, layer_norm, rotate_  # noqa: E402
from draftsmith_trainer.losses.rows import plain_gradient_, plain_statistics  # noqa: E402

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


if __name__ == "__main__":
    torch.manual_seed(0)
    for check in (attention, head, experts, tower):
        check()
        print(check.__name__)
