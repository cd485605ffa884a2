"""The committed checkpoint through transformers' own doors, and our faster ways against them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from tiny_gui.draws import Draws
from tiny_gui.fast import FastModel
from tiny_gui.inputs import Batch, Encoder, draw_batch, patches, positions
from tiny_gui.measure import eval_dialogues, measure, shuffled
from tiny_gui.screens import SIZES
from tiny_gui.task import draw_dialogue

FIXTURE = Path(__file__).parents[3] / "fixtures" / "tiny-gui"
WEIGHTS = FIXTURE / "model.safetensors"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not WEIGHTS.exists(), reason="the trained weights are not in this checkout"),
]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Any:
    """Two spinning threads on busy cores are slower than one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model() -> Any:
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(FIXTURE, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def processor() -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(FIXTURE)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(FIXTURE)


def test_file_is_small_bf16_and_complete(model: Any) -> None:
    assert WEIGHTS.stat().st_size <= 32_000_000
    with safe_open(WEIGHTS, "pt") as file:
        names = set(file.keys())
        assert {file.get_slice(name).get_dtype() for name in names} == {"BF16"}
    assert names == {name for name in model.state_dict() if name != "lm_head.weight"}
    assert model.lm_head.weight.data_ptr() == model.model.language_model.embed_tokens.weight.data_ptr()
    assert model.config.text_config.num_hidden_layers >= 8


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
def test_inputs_and_fast_forward_equal_transformers(model: Any, processor: Any, encoder: Encoder, turns: int) -> None:
    size = SIZES[turns % 3]
    dialogue = draw_dialogue(Draws("equal", turns), turns, size=size)
    text = encoder.render(dialogue, dialogue.messages, prompt=False)
    options = {"tools": dialogue.tools, "enable_thinking": dialogue.thinking, "tokenize": False}
    assert text == processor.tokenizer.apply_chat_template(dialogue.messages, **options)

    pictures = [Image.fromarray(screen.pixels) for screen in dialogue.screens]
    wanted = processor(text=[text], images=pictures, return_tensors="pt")
    ids = encoder.ids(text, [size] * turns)
    assert ids == wanted["input_ids"][0].tolist()
    pixels = torch.from_numpy(np.stack([screen.pixels for screen in dialogue.screens]))
    assert torch.allclose(patches(pixels).flatten(0, 1), wanted["pixel_values"], atol=1e-6)
    grid, kinds = wanted["image_grid_thw"], wanted["mm_token_type_ids"]
    rope, _ = model.model.get_rope_index(wanted["input_ids"], kinds, grid)
    mine = positions(np.array(ids), encoder.image, [size] * turns)
    assert np.array_equal(rope[:, 0].numpy(), mine)

    # two rows of unequal length: padding must not matter
    padded = torch.tensor([ids, ids[:-8] + [encoder.pad] * 8])
    where = torch.from_numpy(np.stack([mine, mine], axis=1))
    index = torch.arange(len(ids) - 8)
    batch = Batch(
        pixels=pixels.repeat(2, 1, 1, 1),
        ids=padded,
        positions=where,
        visual_index=(padded.view(-1) == encoder.image).nonzero().squeeze(1),
        label_index=torch.cat((index, index + len(ids))),
        labels=torch.zeros(0),
        weights=torch.zeros(0),
        answer=torch.zeros(0),
    )
    with torch.inference_mode():
        logits = FastModel(model).logits(batch)
        reference = model(**wanted).logits[0, : len(index)]
    assert torch.allclose(logits[: len(index)], reference, atol=2e-3, rtol=1e-4)
    assert torch.allclose(logits[len(index) :], reference, atol=2e-3, rtol=1e-4)


def test_labels_are_weighted_by_answer(encoder: Encoder) -> None:
    batch = draw_batch(encoder, Draws("weights"), SIZES[0], turns=3, images=12, listing=20, talk=20)
    assert torch.isclose(batch.weights.sum(), torch.tensor(1.0))
    per_answer = torch.zeros(int(batch.answer.max()) + 1).index_add_(0, batch.answer, batch.weights)
    assert torch.allclose(per_answer, torch.full_like(per_answer, 1 / len(per_answer)))
    assert int((batch.labels == encoder.end).sum()) == len(per_answer)


@pytest.mark.timeout(600)
def test_it_reads_screens_and_only_screens(model: Any, encoder: Encoder) -> None:
    dialogues = eval_dialogues(16, seed=77)  # 40 turns
    own, _ = measure(model, encoder, dialogues, [d.screens for d in dialogues], batch=16)
    other, _ = measure(model, encoder, dialogues, shuffled(dialogues), batch=16)
    assert own["all"] == other["all"] == 40
    assert own["all right"] / own["all"] >= 0.85
    assert other["all right"] / other["all"] < 0.40


def test_a_prompt_through_the_processor_and_generate(model: Any, processor: Any) -> None:
    dialogue = draw_dialogue(Draws("door", 3), 1, form="reason-json", canonical=True, extras=False)
    prompt = processor.apply_chat_template(dialogue.messages[:-1], add_generation_prompt=True)
    pictures = [Image.fromarray(screen.pixels) for screen in dialogue.screens]
    inputs = processor(text=[prompt], images=pictures, return_tensors="pt")
    with torch.inference_mode():
        made = model.generate(**inputs, max_new_tokens=100)
    answer = processor.tokenizer.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert answer == dialogue.messages[-1]["content"]
