"""On a CUDA device: flex attention equals sdpa, and kernels equal their references."""

import numpy as np
import pytest
import torch
from batches import batch_of
from draft_maker import lively_draft, small_config
from draftsmith_trainer.draft.attend import make_attend
from draftsmith_trainer.draft.passes import windows_of
from draftsmith_trainer.losses import rows

pytestmark = pytest.mark.cuda
DEVICE = torch.device("cuda")


def passes(draft, lengths, counts, seed, kinds=("sdpa", "split", "flex")):
    """Hidden states of real blocks and the gradient of fc, by kind of attention."""
    rng = np.random.default_rng(seed)
    anchors = [np.sort(rng.choice(n - 1, k, replace=False)) for n, k in zip(lengths, counts, strict=True)]
    size = draft.config.block_size
    made = {}
    for kind in kinds:
        batch = batch_of(lengths, anchors, size, multiple=128 if kind == "flex" else 1)
        attend = make_attend(kind, batch, windows_of(draft.config)).to(DEVICE)
        batch = batch.to(DEVICE)
        generator = torch.Generator("cuda").manual_seed(seed)
        states = torch.randn(sum(lengths), 128, generator=generator, device=DEVICE)
        noise = torch.randn(sum(counts) * size, 64, generator=generator, device=DEVICE)
        states = torch.nn.functional.pad(states, (0, 0, 0, 256))[None, : batch.context]
        noise = torch.nn.functional.pad(noise, (0, 0, 0, batch.ids.numel() - len(noise)))[None]
        draft.zero_grad()
        hidden = draft(states, batch.context_positions[None], noise, batch.positions[None], attend)
        hidden = hidden[:, : batch.blocks * size]
        hidden.square().mean().backward()
        made[kind] = (hidden.detach(), draft.fc.weight.grad.clone())
    return made


@pytest.mark.parametrize("window", [None, 7])
def test_flex_equals_sdpa(window):
    types = ("sliding_attention" if window else "full_attention",) * 2
    draft = lively_draft(small_config(layer_types=types, sliding_window=window)).cuda().train()
    made = passes(draft, (150, 40, 333), (40, 10, 60), 0)
    for kind in ("split", "flex"):
        torch.testing.assert_close(made[kind][0], made["sdpa"][0], atol=2e-4, rtol=2e-3)
        torch.testing.assert_close(made[kind][1], made["sdpa"][1], atol=2e-5, rtol=2e-2)


@pytest.mark.parametrize("width", [128, 256])
def test_fused_attention_runs_at_real_widths(width):
    """Heads of Qwen3-VL and of Qwen3.5 in bf16, forward and backward: their tiles fit into shared memory."""
    batch = batch_of((700, 300), [np.arange(0, 600, 12), np.arange(0, 200, 12)], 8, multiple=128)
    queries = batch.ids.numel()
    generator = torch.Generator("cuda").manual_seed(0)
    shapes = [(8, queries), *((2, n) for n in (batch.context, batch.context, queries, queries))]
    values = [torch.randn(1, heads, n, width, generator=generator, device=DEVICE).bfloat16() for heads, n in shapes]
    made = {}
    for kind in ("sdpa", "flex", "kernel"):
        q, *parts = (value.clone().requires_grad_() for value in values)
        out = make_attend(kind, batch, (None,)).to(DEVICE)(q, tuple(parts[:2]), tuple(parts[2:]), None)
        out.backward(values[0])
        made[kind] = [x.float() for x in (out.detach(), q.grad, *(part.grad for part in parts))]
    for kind in ("flex", "kernel"):
        for a, b in zip(made["sdpa"], made[kind], strict=True):
            assert (b - a).norm() <= 2e-2 * a.norm()


@pytest.mark.parametrize("window", [None, 7])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_attention_kernel_equals_sdpa(window, kv_heads):
    """In bf16, both held against fp32: the kernel's error is that of rounding."""
    rng = np.random.default_rng(1)
    lengths, counts = (150, 40, 333), (40, 10, 60)
    anchors = [np.sort(rng.choice(n - 1, k, replace=False)) for n, k in zip(lengths, counts, strict=True)]
    made = {}
    for kind, dtype in (("sdpa", torch.float32), ("sdpa", torch.bfloat16), ("kernel", torch.bfloat16)):
        batch = batch_of(lengths, anchors, 4, multiple=128)
        attend = make_attend(kind, batch, (window,)).to(DEVICE)
        generator = torch.Generator("cuda").manual_seed(0)

        def random(heads, length, generator=generator, dtype=dtype):
            x = torch.randn(1, heads, length, 64, generator=generator, device=DEVICE).bfloat16()
            return x.to(dtype).requires_grad_()

        queries = batch.ids.numel()
        q, grad = random(4, queries), random(4, queries).detach()
        parts = [random(kv_heads, length) for length in (batch.context, batch.context, queries, queries)]
        out = attend(q, tuple(parts[:2]), tuple(parts[2:]), window)
        out.backward(grad)
        made[kind, dtype] = [x.float() for x in (out.detach(), q.grad, *(part.grad for part in parts))]
    exact, plain, ours = made.values()
    for a, b, c in zip(exact, plain, ours, strict=True):
        assert (c - a).norm() <= 1.5 * (b - a).norm() + 1e-3 * a.norm()


def test_no_recompiles_whatever_the_lengths():
    """Rows 1 to 3, one block, contexts shorter than a tile, with and without gradients: two graphs of each kind."""
    from torch._dynamo.utils import counters

    draft = lively_draft(small_config()).cuda().train()
    draft.compile_layers()
    shapes = [((150, 40), (30, 9)), ((20,), (1,)), ((700, 9, 90), (100, 2, 33)), ((2,), (1,)), ((1000,), (200,))]
    for lengths, counts in shapes[:2]:
        passes(draft, lengths, counts, 1, kinds=("flex",))
    with torch.no_grad():
        draft.eval()
    seen = counters["stats"]["unique_graphs"]
    for lengths, counts in shapes:
        passes(draft.train(), lengths, counts, 2, kinds=("flex",))
    assert counters["stats"]["unique_graphs"] == seen


def test_head_kernels_equal_their_references():
    generator = torch.Generator("cuda").manual_seed(0)
    for width in (512, 8192, 151_936, 248_320):
        logits = torch.randn(37, width, generator=generator, device=DEVICE, dtype=torch.bfloat16) * 3
        labels = torch.randint(0, width, (37,), generator=generator, device=DEVICE)
        weights = torch.rand(37, generator=generator, device=DEVICE)
        lse, gold, best = rows.statistics(logits, labels)
        wanted = rows.plain_statistics(logits, labels)
        torch.testing.assert_close(lse, wanted[0], atol=1e-5, rtol=1e-6)
        assert torch.equal(gold, wanted[1])
        assert torch.equal(logits.gather(1, best[:, None]), logits.max(dim=1, keepdim=True).values)
        slope = rows.plain_gradient_(logits, labels, lse, weights)
        made = rows.gradient_(logits.clone(), labels, lse, weights)
        torch.testing.assert_close(made, slope.bfloat16(), atol=1e-8, rtol=1e-2)
