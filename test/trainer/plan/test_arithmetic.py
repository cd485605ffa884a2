"""Parameters and operations from widths alone equal what transformers and torch make and count."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from batches import batch_of
from draft_maker import small_config
from draftsmith_trainer.draft.attend import make_attend
from draftsmith_trainer.draft.masks import block_mask
from draftsmith_trainer.draft.model import DFlashDraft
from draftsmith_trainer.losses import LossRule, frozen_head_loss
from draftsmith_trainer.plan.parameters import draft_parameters, target_parameters
from draftsmith_trainer.plan.rows import RowTotals
from draftsmith_trainer.plan.shape import read_shape, shape_of
from draftsmith_trainer.plan.work import (
    delta_solve,
    draft_backward_work,
    draft_forward_work,
    head_forward_work,
    target_work,
    tower_work,
    training_work,
)
from real_configs import real_config
from target_maker import IMAGE, MODEL_TYPES, make_model, tiny_config
from torch.utils.flop_counter import FlopCounterMode
from transformers import CONFIG_MAPPING, AutoModelForImageTextToText


@pytest.fixture(autouse=True)
def _products_that_torch_counts():
    """The counter knows nothing of oneDNN's operator, which computes the same products."""
    with torch.backends.mkldnn.flags(enabled=False):
        yield


REAL = {"8b": 8_767_123_696, "30b": 31_070_754_032, "9b": 9_409_813_744, "35b": 35_107_181_936}


def counted(model) -> int:
    return sum(p.numel() for p in {id(p): p for p in model.parameters()}.values())


def made_of(config: dict) -> object:
    kind = CONFIG_MAPPING[config["model_type"]]
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(kind(**{k: v for k, v in config.items() if k != "model_type"}))


@pytest.mark.parametrize("name", REAL)
def test_parameters_of_real_targets(name):
    config = real_config(name)
    shape = shape_of(config)
    found = target_parameters(shape.text, shape.tower)
    model = made_of(config)
    assert found.total + shape.text.hidden == counted(model) == REAL[name]
    assert found.tower == counted(model.model.visual)
    assert found.layers == counted(model.model.language_model.layers)
    cut = target_parameters(shape.text, shape.tower, 20)
    assert cut.layers == counted(model.model.language_model.layers[:20])


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_parameters_of_saved_targets(kind, target_dirs):
    shape = read_shape(target_dirs[kind])
    assert shape.model_type == kind
    assert target_parameters(shape.text, shape.tower).total + shape.text.hidden == counted(make_model(kind))


def test_parameters_of_mixed_and_tied_layers():
    config = real_config("30b")
    config["text_config"] |= {"mlp_only_layers": [2, 5], "decoder_sparse_step": 2, "attention_bias": True}
    config["tie_word_embeddings"] = True
    config["text_config"]["tie_word_embeddings"] = True
    shape = shape_of(config)
    assert target_parameters(shape.text, shape.tower).total + shape.text.hidden == counted(made_of(config))


@pytest.mark.parametrize("bias", [False, True])
def test_parameters_of_drafts(bias):
    config = small_config(attention_bias=bias)
    assert draft_parameters(config) == counted(DFlashDraft(config))


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_operations_of_a_target(kind):
    """One row of 128 tokens with two pictures, eager attention, against torch's own count."""
    model = make_model(kind)
    model.set_attn_implementation("eager")
    if kind.endswith("_moe"):
        model.set_experts_implementation("eager")
    shape = shape_of(json.loads(json.dumps(tiny_config(kind).to_dict())))
    tokens, grid = 128, torch.tensor([[1, 4, 4], [1, 8, 6]])
    ids = torch.full((1, tokens), 7)
    ids[0, 3:7], ids[0, 20:32] = IMAGE, IMAGE
    types = (ids == IMAGE).int()
    pixels = torch.randn(16 + 48, shape.tower.patch)
    layers = len(shape.text.layers)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.model(input_ids=ids, mm_token_type_ids=types, pixel_values=pixels, image_grid_thw=grid)
    # Eager attention computes masked pairs, too.
    rows = RowTotals(rows=1, tokens=tokens, token_pairs=tokens**2, patches=64, patch_pairs=16**2 + 48**2)
    wanted = target_work(shape.text, layers, rows) + tower_work(shape.tower, rows)
    if shape.text.delta is not None:
        # torch counts no triangular solves and, for the convolution, no depthwise form on a CPU worth its name.
        delta = shape.text.delta
        heads = tokens * shape.text.layers.count("delta") * delta.value_heads
        wanted -= heads * delta_solve(delta)
    assert counter.get_total_flops() == pytest.approx(wanted, rel=0.01)


def test_operations_of_a_draft():
    config = small_config()
    draft = DFlashDraft(config)
    blocks, size = 6, config.block_size
    batch = batch_of([40], [np.arange(10, 10 + 3 * blocks, 3)], size)
    context = batch.context
    states = torch.randn(1, context, len(config.target_layer_ids) * config.hidden_size)
    noise = torch.randn(1, blocks * size, config.hidden_size)
    # The split form scores every context token for every query.
    rows = RowTotals(rows=1, context=context, anchors=blocks, block_pairs=blocks * context)
    with FlopCounterMode(display=False) as counter:
        out = draft(states, batch.context_positions[None], noise, batch.positions[None], make_attend("split", batch))
    assert counter.get_total_flops() == draft_forward_work(config, rows)
    with FlopCounterMode(display=False) as counter:
        out.sum().backward()
    # A fused backward pass computes scores again, which this one kept: half of the forward attention's operations.
    pairs = size * blocks * (context + size)
    again = pairs * config.num_hidden_layers * 2 * config.num_attention_heads * config.head_dim
    assert counter.get_total_flops() + again == draft_backward_work(config, rows)


def test_operations_of_the_head():
    config = small_config()
    batch = batch_of([9], [np.arange(5)], config.block_size)
    hidden = torch.randn(len(batch.labels), config.hidden_size, requires_grad=True)
    lm_head = torch.randn(config.vocab_size, config.hidden_size)
    with FlopCounterMode(display=False) as counter:
        loss = frozen_head_loss(
            hidden, batch.labels, batch.places, batch.ends, config.block_size, lm_head, LossRule(4.0)
        )
        loss.total.backward()
    rows = RowTotals(places=len(batch.labels))
    assert counter.get_total_flops() == 2 * head_forward_work(config, rows)


#: Operations per token of the target up to its last captured layer (in 1e9), as the project's measurements state them.
STATED = {"8b": ((3, 10, 18, 25, 32), 12.7), "30b": ((3, 13, 24, 34, 44), 5.1)}
STATED |= {"9b": ((1, 8, 15, 22, 29), 13.0), "35b": ((1, 10, 19, 28, 37), 4.6)}


@pytest.mark.parametrize("name", STATED)
def test_stated_operations_per_token(name):
    ids, billions = STATED[name]
    work = target_work(shape_of(real_config(name)).text, ids[-1] + 1, RowTotals(rows=1, tokens=1))
    # Stated without the delta rule itself, 0.17 of the 35B's.
    assert work / 1e9 == pytest.approx(billions, rel=0.05)


def test_stated_operations_of_a_row():
    """A row of 1,400 tokens, 200 supervised, one 1280x704 screenshot: about 37 TFLOP on the 8B."""
    shape = shape_of(real_config("8b"))
    # 4.4 TFLOP of a screenshot are its blocks alone; mergers add 0.3.
    picture = RowTotals(pictures=1, patches=80 * 44, patch_pairs=(80 * 44) ** 2)
    assert tower_work(replace(shape.tower, deepstack=0), picture) / 1e12 == pytest.approx(4.4, rel=0.03)
    draft = small_config(
        hidden_size=4096,
        num_hidden_layers=5,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
        intermediate_size=12_288,
        vocab_size=151_936,
        block_size=8,
        target_layer_ids=(3, 10, 18, 25, 32),
        num_target_layers=36,
    )
    row = replace(
        picture,
        rows=1,
        tokens=1400,
        context=1400,
        token_pairs=1400**2 / 2,
        anchors=199,
        places=199 * 7,
        block_pairs=199 * 1300,
        supervised=200,
    )
    assert training_work(shape, draft, row).total / 1e12 == pytest.approx(37, rel=0.05)


def test_a_draft_sees_what_its_mask_allows():
    """Pairs of a block: its context and itself."""
    low, high = torch.tensor([0, 0]), torch.tensor([5, 9])
    seen = block_mask(low, high, 4, 12, None)
    assert int(seen.sum()) == 4 * (5 + 9) + 2 * 4 * 4
