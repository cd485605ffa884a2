"""Plain decoding against transformers' own generate()."""

from __future__ import annotations

import pytest
import torch
from draftsmith_trainer.base.errors import UserError
from reference_server.decode import greedy
from target_maker import IMAGE, MODEL_TYPES


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_one_by_one_equals_generate(kind, targets, cases, answers):
    for one, wanted in zip(cases, answers[kind], strict=True):
        assert greedy.generate(targets[kind], **one.tensors(), max_new_tokens=20).ids == wanted


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_batched_equals_generate(kind, targets, cases, answers):
    # Three at a time: sequences of different length join, leave and change rows while others go on.
    target = targets[kind]
    prompts = [target.prompt(one.ids, one.images) for one in cases]
    results = greedy.generate_batch(target, prompts, 20, max_rows=3)
    assert [result.ids for result in results] == answers[kind]
    assert {result.finish for result in results} == {"length"}


def test_answers_differ(answers):
    # The comparisons above would mean little if every answer were the same token over and over.
    assert len({tuple(ids) for ids in answers["qwen3_vl"]}) >= 5
    assert max(len(set(ids)) for ids in answers["qwen3_vl"]) >= 8


def test_stop_id_ends_the_answer_and_is_in_it(targets, cases, answers):
    ids = answers["qwen3_vl"][0]
    stop = ids[5]
    result = greedy.generate(targets["qwen3_vl"], **cases[0].tensors(), max_new_tokens=20, stop_ids=[stop])
    assert result.finish == "stop"
    assert result.ids == ids[: ids.index(stop) + 1]


def test_a_transformers_model_will_do_and_is_left_as_it_was(targets, cases, answers):
    model = targets["qwen3_vl"].model
    before = model.model.language_model.config._attn_implementation
    assert greedy.generate(model, **cases[1].tensors(), max_new_tokens=20).ids == answers["qwen3_vl"][1]
    assert model.model.language_model.config._attn_implementation == before
    assert model.model.rope_deltas is None


def test_no_stored_position_is_used(targets, cases, answers):
    # transformers keeps the last prompt's offset in the model; a stale one must not matter.
    target = targets["qwen3_vl"]
    target.model.model.rope_deltas = torch.tensor([[-7]])
    try:
        assert greedy.generate(target, **cases[2].tensors(), max_new_tokens=20).ids == answers["qwen3_vl"][2]
    finally:
        target.model.model.rope_deltas = None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda t: t | {"input_ids": t["input_ids"][:, :0]}, "prompt-empty"),
        (lambda t: t | {"input_ids": torch.cat([t["input_ids"], torch.tensor([[512]])], 1)}, "token-range"),
        (lambda t: t | {"pixel_values": None, "image_grid_thw": None}, "image-count"),
        (lambda t: t | {"input_ids": torch.cat([t["input_ids"], torch.tensor([[IMAGE]])], 1)}, "image-count"),
        (lambda t: t | {"input_ids": t["input_ids"][t["input_ids"] != IMAGE][None]}, "image-count"),
    ],
)
def test_a_prompt_that_does_not_fit_is_refused(change, code, targets, cases):
    tensors = change(cases[1].tensors())
    with pytest.raises(UserError) as caught:
        greedy.generate(targets["qwen3_vl"], **tensors, max_new_tokens=2)
    assert caught.value.code == code


def test_a_placeholder_too_few_is_refused(targets, cases):
    tensors = cases[1].tensors()
    at = int((tensors["input_ids"][0] == IMAGE).nonzero()[0])
    ids = torch.cat([tensors["input_ids"][:, :at], tensors["input_ids"][:, at + 1 :]], 1)
    with pytest.raises(UserError, match="needs 6 placeholder tokens, but the prompt has 5"):
        greedy.generate(targets["qwen3_vl"], ids, tensors["pixel_values"], tensors["image_grid_thw"])
