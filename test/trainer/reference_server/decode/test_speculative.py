"""Draft and verify: the ids of plain greedy decoding whatever is drafted, and counts that add up."""

from __future__ import annotations

import pytest
import torch
from draft_maker import lively_draft, small_config
from draftsmith_trainer.measure.walk import walk
from hypothesis import given
from hypothesis import strategies as st
from reference_server.decode import greedy, speculative
from reference_server.decode.drafting import Drafting, OneByOne
from reference_server.decode.request import DecodeRequest
from reference_server.decode.scheduler import Scheduler
from target_maker import MODEL_TYPES

LAYERS = (3, 4)


class ScriptedDrafter:
    """Proposes the true continuation with some tokens spoiled; checks that it is fed every position once."""

    def __init__(self, prompt: int, truth: list[int], block_size: int, wrong: frozenset[int] = frozenset()):
        self.block_size = block_size
        self.prompt, self.truth, self.wrong = prompt, truth, wrong
        self.length = 0

    def extend(self, captured, positions=None):
        assert captured.shape[1] == 2 * 64
        assert positions is None
        self.length += captured.shape[0]

    def draft(self, anchor_id):
        at = self.length - self.prompt  # index of the anchor in the answer
        assert at >= 0
        if at < len(self.truth):
            assert anchor_id == self.truth[at]
        out = []
        for i in range(at + 1, at + self.block_size):
            true = self.truth[i] if i < len(self.truth) else 0
            out.append((true + 1) % 490 if i in self.wrong else true)
        return torch.tensor(out)


def scripted(prompt, truth, block=4, wrong=frozenset()):
    return Drafting(lambda _rows: OneByOne(lambda: ScriptedDrafter(prompt, truth, block, wrong)), LAYERS)


def check_counts(result, block):
    assert result.proposed == result.steps * (block - 1)
    assert len(result.matched_per_step) == result.steps
    assert all(a <= m < block for a, m in zip(result.accepted_per_step, result.matched_per_step, strict=True))
    # Every step adds its accepted tokens and one more, except that the last may end inside its draft.
    total = 1 + sum(result.accepted_per_step) + result.steps
    assert len(result.ids) in (total, total - 1)


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_random_draft_equals_greedy(kind, targets, cases, answers):
    target = targets[kind]
    drafting = speculative.drafting_for(target, lively_draft(small_config(target_layer_ids=LAYERS)))
    for one, wanted in zip(cases, answers[kind], strict=True):
        result = speculative.generate(target, drafting, **one.tensors(), max_new_tokens=20)
        assert result.ids == wanted
        check_counts(result, 4)


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_oracle_is_accepted_whole(kind, targets, cases, answers):
    target = targets[kind]
    for one, wanted in zip(cases, answers[kind], strict=True):
        result = speculative.generate(target, scripted(len(one.ids), wanted), **one.tensors(), max_new_tokens=17)
        assert result.ids == wanted[:17]
        assert result.accepted_per_step == [3, 3, 3, 3]
        assert result.finish == "length"


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_partly_right_drafts_roll_back(kind, targets, cases, answers):
    # Rejections after 0, 1 and 2 right tokens; the recurrent layers must come back to the right state each time.
    target = targets[kind]
    wrong = frozenset({1, 4, 8, 9, 13})
    for one, wanted in zip(cases[:4], answers[kind], strict=False):
        result = speculative.generate(
            target, scripted(len(one.ids), wanted, 5, wrong), **one.tensors(), max_new_tokens=20
        )
        assert result.ids == wanted
        prefix = [next(k for k in range(5) if k == 4 or i + k + 1 in wrong or i + k + 1 >= 20) for i in range(19)]
        assert result.accepted_per_step == walk(0, 20, prefix)


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_batched_equals_greedy(kind, targets, cases, answers):
    target = targets[kind]
    drafting = speculative.drafting_for(target, lively_draft(small_config(target_layer_ids=LAYERS)))
    prompts = [target.prompt(one.ids, one.images) for one in cases]
    together = speculative.generate_batch(target, drafting, prompts, 20, max_rows=3)
    assert [result.ids for result in together] == answers[kind]
    alone = [speculative.generate(target, drafting, **one.tensors(), max_new_tokens=20) for one in cases]
    assert [result.accepted_per_step for result in together] == [result.accepted_per_step for result in alone]


def test_a_cached_prefix_reaches_the_draft_too(targets, cases, answers):
    # The draft needs the captured states of the whole context, also of what was not computed again.
    target = targets["qwen3_vl"]
    drafting = speculative.drafting_for(target, lively_draft(small_config(target_layer_ids=LAYERS)))
    scheduler = Scheduler(target, 2, drafting, prefix_bytes=1 << 24)
    counts = []
    for _ in range(2):
        requests = [DecodeRequest(target.prompt(one.ids, one.images), 20) for one in cases[:3]]
        for request in requests:
            scheduler.submit(request)
        scheduler.run()
        assert [request.ids for request in requests] == answers["qwen3_vl"][:3]
        counts.append([request.drafts.accepted for request in requests])
    assert [request.cached_tokens for request in requests] == [len(one.ids) - 1 for one in cases[:3]]
    assert counts[0] == counts[1]


@given(st.sets(st.integers(1, 19)), st.integers(2, 8), st.integers(1, 20))
def test_counts_equal_the_offline_walk(targets, cases, answers, wrong, block, limit):
    target, one, truth = targets["qwen3_vl"], cases[0], answers["qwen3_vl"][0]
    drafting = scripted(len(one.ids), truth, block, frozenset(wrong))
    result = speculative.generate(target, drafting, **one.tensors(), max_new_tokens=limit)
    assert result.ids == truth[:limit]
    check_counts(result, block)
    last = block - 1
    prefix = [
        next(k for k in range(block) if k == last or i + k + 1 in wrong or i + k + 1 >= limit) for i in range(limit)
    ]
    assert result.accepted_per_step == walk(0, limit, prefix)


def test_a_stop_inside_a_draft_cuts_what_is_used_but_not_what_matched(targets, cases, answers):
    target, one, truth = targets["qwen3_vl"], cases[0], answers["qwen3_vl"][0]
    stop = truth[6]
    end = truth.index(stop) + 1
    result = speculative.generate(
        target, scripted(len(one.ids), truth, 8), **one.tensors(), max_new_tokens=20, stop_ids=[stop]
    )
    assert result.finish == "stop"
    assert result.ids == truth[:end]
    assert sum(result.accepted_per_step) + 1 + result.steps - (end - 1 <= 7) in (end, end + 1)
    assert result.matched_per_step[-1] == 7
    assert result.accepted_per_step[-1] == (end - 1) % 8


def test_first_token_may_be_the_last(targets, cases, answers):
    target, one, truth = targets["qwen3_vl"], cases[0], answers["qwen3_vl"][0]
    result = speculative.generate(
        target, scripted(len(one.ids), truth), **one.tensors(), max_new_tokens=20, stop_ids=[truth[0]]
    )
    assert (result.ids, result.steps, result.proposed) == (truth[:1], 0, 0)


def test_a_drafter_object_can_be_reused(targets, cases, answers):
    from draftsmith_trainer.algorithms.drafts import block_drafter

    target = targets["qwen3_vl"]
    draft = lively_draft(small_config(target_layer_ids=LAYERS))
    drafter = block_drafter(draft, target.text.embed_tokens.weight, target.model.lm_head.weight)
    for one, wanted in zip(cases[:3], answers["qwen3_vl"], strict=False):
        assert speculative.generate(target, drafter, **one.tensors(), max_new_tokens=20).ids == wanted


def test_mrope_drafts_get_3d_positions(targets, cases, answers):
    target = targets["qwen3_vl"]
    config = small_config(target_layer_ids=LAYERS, rotary="mrope", mrope_section=(4, 2, 2))
    drafting = speculative.drafting_for(target, lively_draft(config))
    assert drafting.positions_3d
    one = cases[2]
    assert speculative.generate(target, drafting, **one.tensors(), max_new_tokens=20).ids == answers["qwen3_vl"][2]


def test_greedy_and_speculative_share_bits(targets, cases):
    # Dense targets in float32: a verified block computes exactly what single steps compute, so ties cannot flip.
    target = targets["qwen3_vl"]
    one = cases[1]
    plain = greedy.generate(target, **one.tensors(), max_new_tokens=40).ids
    drafting = speculative.drafting_for(target, lively_draft(small_config(target_layer_ids=LAYERS)))
    assert speculative.generate(target, drafting, **one.tensors(), max_new_tokens=40).ids == plain
