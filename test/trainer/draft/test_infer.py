"""Drafting step by step equals the training pass over all anchors at once."""

import numpy as np
import pytest
import torch
from draft_maker import lively_draft, small_config
from draftsmith_trainer.algorithms.drafts import block_drafter
from draftsmith_trainer.algorithms.registry import algorithm_of
from draftsmith_trainer.data.batch import make_batch
from draftsmith_trainer.data.shards import Row
from draftsmith_trainer.draft.attend import make_attend
from draftsmith_trainer.draft.passes import run_batch

LENGTH = 23
CONFIGS = {
    "plain": small_config(),
    "sliding": small_config(layer_types=("sliding_attention", "full_attention"), sliding_window=6),
    "partial": small_config(rotary="partial", partial_rotary_factor=0.5),
    "mrope": small_config(rotary="mrope", mrope_section=(4, 2, 2)),
    "bias": small_config(attention_bias=True),
}


def positions_with_an_image():
    """Target positions where tokens 4..9 are a 2 x 3 picture and text goes on behind it."""
    text = torch.arange(4)
    picture = torch.tensor([[4] * 6, [4, 4, 4, 5, 5, 5], [4, 5, 6, 4, 5, 6]])
    after = torch.arange(7, 7 + LENGTH - 10)
    return torch.cat((text.expand(3, -1), picture, after.expand(3, -1)), dim=1)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("attention", ["sdpa", "split"])
def test_block_drafter_equals_training_pass_at_every_anchor(name, attention):
    config = CONFIGS[name]
    draft = lively_draft(config, seed=1)
    embed = 0.05 * torch.randn(config.vocab_size, config.hidden_size)  # small: the context must count
    lm_head = torch.randn(config.vocab_size, config.hidden_size)
    states = torch.randn(LENGTH, 2 * config.hidden_size)
    tokens = torch.randint(0, 500, (LENGTH,))
    positions = positions_with_an_image()
    anchors = torch.arange(10, LENGTH)
    nothing = np.zeros((0, 3), np.int32)
    row = Row(0, tokens.numpy(), np.ones(LENGTH, np.int8), np.zeros(LENGTH, np.int8), (), nothing, "d", 0, (), ())
    own = [positions.numpy()] if config.rotary == "mrope" else None
    batch = make_batch([row], [anchors.numpy()], [0], config.block_size, config.mask_token_id, own)
    with torch.no_grad():
        hidden = run_batch(draft, embed, states, batch, make_attend(attention, batch))
    wanted = algorithm_of(config).propose(draft, hidden, batch.ids[:, 0], lm_head)
    assert len(wanted.unique()) > 5, "all drafts alike prove nothing"

    drafter, at = block_drafter(draft, embed, lm_head), 0
    for i, anchor in enumerate(anchors.tolist()):
        if anchor % 3 and anchor != LENGTH - 1:
            continue  # an engine moves on by several tokens at a time
        drafter.extend(states[at:anchor], positions[:, at:anchor] if config.rotary == "mrope" else None)
        at = anchor
        assert drafter.length == anchor
        assert torch.equal(drafter.draft(int(tokens[anchor])), wanted[i])


def test_reset_forgets_and_storage_grows():
    config = small_config()
    draft = lively_draft(config)
    embed = torch.randn(config.vocab_size, config.hidden_size)
    states = torch.randn(700, 2 * config.hidden_size)
    whole, pieces = block_drafter(draft, embed, embed), block_drafter(draft, embed, embed)
    whole.extend(torch.randn(40, 2 * config.hidden_size))
    whole.draft(3)
    whole.reset()
    whole.extend(states)
    for part in states.split(7):
        pieces.extend(part)
    assert whole.length == pieces.length == 700
    assert torch.equal(whole.draft(5), pieces.draft(5))


def test_draft_without_any_context():
    config = small_config()
    embed = torch.randn(config.vocab_size, config.hidden_size)
    assert block_drafter(lively_draft(config), embed, embed).draft(1).shape == (config.block_size - 1,)
