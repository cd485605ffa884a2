"""The promise of ``rows``: for dense targets in float32, numbers do not depend on company, bit for bit."""

from __future__ import annotations

import pytest
import torch
from reference_server.decode.batch import SequenceBatch
from reference_server.decode.rows import EXACT_SHAPES, RowRules, bits_hold


def test_shapes_are_filled_up():
    rules = RowRules(min_rows=16, query_multiple=4, key_piece=192, key_multiple=64)
    assert [rules.forward_rows(r, n) for r, n in ((1, 1), (17, 1), (1, 8), (3, 8), (1, 100))] == [16, 17, 2, 3, 1]
    assert [rules.queries(n) for n in (1, 4, 5)] == [4, 4, 8]
    assert [rules.keys(n) for n in (1, 192, 193, 384, 385)] == [192, 192, 384, 384, 448]
    assert (EXACT_SHAPES.forward_rows(1, 1), EXACT_SHAPES.queries(3), EXACT_SHAPES.keys(7)) == (1, 3, 7)


#: Without this the tests below would test another maker's matrix library.
regular = pytest.mark.skipif(
    not bits_hold(torch.get_num_threads(), packed=True),
    reason="this machine's matrix library adds up in another order by shape",
)


def logits_after(target, one, others, steps, blocks):
    """Logits [steps, V] of a case that is decoded beside others, in single steps or as one block."""
    batch = SequenceBatch(target, 1 + len(others))
    for other in others:
        batch.join(target.prompt(other.ids, other.images))
    row, _, _ = batch.join(target.prompt(one.ids, one.images))
    tokens = torch.arange(10, 10 + steps).expand(len(batch.sequences), -1)
    if blocks:
        hidden = batch._feed(tokens).hidden[row.row]
        return target.logits(hidden)
    out = []
    for i in range(steps):
        hidden = batch._feed(tokens[:, i : i + 1]).hidden[row.row]
        for each in batch.sequences:
            each.length += 1
        out.append(target.logits(hidden))
    return torch.cat(out)


@regular
def test_same_bits_alone_in_company_and_in_blocks(targets, cases):
    target = targets["qwen3_vl"]
    alone = logits_after(target, cases[1], [], 6, blocks=False)
    assert torch.equal(alone, logits_after(target, cases[1], cases[2:6], 6, blocks=False))
    assert torch.equal(alone, logits_after(target, cases[1], [], 6, blocks=True))
    assert torch.equal(alone, logits_after(target, cases[1], cases[3:5], 6, blocks=True))


@regular
@pytest.mark.parametrize("length", [186, 250, 380, 440])
def test_same_bits_where_the_keys_need_another_piece(length, targets, cases, new_case):
    target, one = targets["qwen3_vl"], new_case(length, length)
    alone = logits_after(target, one, [], 8, blocks=False)
    assert torch.equal(alone, logits_after(target, one, [new_case(1, 500)], 8, blocks=False))
    assert torch.equal(alone, logits_after(target, one, [cases[0]], 8, blocks=True))


@regular
def test_same_bits_after_a_cached_prefix(targets, cases):
    target = targets["qwen3_vl"]
    one = cases[2]
    prompt = target.prompt(one.ids, one.images)
    cache = target.new_cache(1)

    def last(start):
        return target.run(cache, [target.prompt_feed(0, prompt, start)])[0].hidden[0, -1]

    whole = last(0)
    for start in (1, 5, len(prompt) - 1):
        assert torch.equal(whole, last(start)), start


def test_other_types_agree_to_rounding(targets, cases):
    for kind in ("qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"):
        target = targets[kind]
        alone = logits_after(target, cases[1], [], 4, blocks=False)
        company = logits_after(target, cases[1], cases[2:5], 4, blocks=False)
        torch.testing.assert_close(alone, company, rtol=1e-3, atol=1e-3)
