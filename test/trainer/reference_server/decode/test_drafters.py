"""All rows drafted in one pass against one drafter per sequence."""

from __future__ import annotations

import pytest
import torch
from draft_maker import lively_draft, small_config
from draftsmith_trainer.algorithms.drafts import block_drafter
from reference_server.decode.drafters import DraftRows
from reference_server.decode.drafting import OneByOne, Seen
from reference_server.decode.rows import EXACT_SHAPES, rules_for
from target_maker import HIDDEN, VOCAB

CPU = torch.device("cpu")
KINDS = {
    "plain": {},
    "window": {"layer_types": ("full_attention", "sliding_attention"), "sliding_window": 6},
    "mrope": {"rotary": "mrope", "mrope_section": (4, 2, 2)},
    "long block": {"block_size": 7},
}


def states(generator, count, positions):
    captured = torch.randn(count, 2 * HIDDEN, generator=generator)
    return Seen(captured, torch.randint(0, 50, (3, count), generator=generator) if positions else None)


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_rows_that_come_grow_and_go_draft_as_alone(kind, filled):
    config = small_config(**KINDS[kind])
    draft = lively_draft(config, seed=2)
    generator = torch.Generator().manual_seed(5)
    embed = torch.randn(VOCAB, HIDDEN, generator=generator)
    rules = rules_for(CPU, torch.float32, hybrid=False, packed=False) if filled else EXACT_SHAPES
    together = DraftRows(draft, embed, embed, 4, rules)
    alone = OneByOne(lambda: block_drafter(draft, embed, embed))
    assert together.block_size == config.block_size
    mrope = kind == "mrope"
    rows = 0
    seen_tokens = set()
    # Joins, rounds in which every row grows by another number of tokens, and leaves from the middle and the end.
    for action in (
        "join",
        "round",
        "join",
        "join",
        "round",
        "round",
        0,
        "round",
        "join",
        "join",
        "round",
        3,
        1,
        "round",
    ):
        if action == "join":
            new = states(generator, int(torch.randint(1, 300, (1,), generator=generator)), mrope)
            for each in (together, alone):
                each.join(rows, new)
            rows += 1
        elif isinstance(action, int):
            for each in (together, alone):
                each.leave(action, rows - 1)
            rows -= 1
        else:
            anchors = torch.randint(0, 490, (rows,), generator=generator).tolist()
            drafted = together.draft(anchors)
            assert drafted.shape == (rows, config.block_size - 1)
            assert torch.equal(drafted, alone.draft(anchors))
            seen_tokens.update(drafted.flatten().tolist())
            grown = [states(generator, 1 + r % 3, mrope) for r in range(rows)]
            for each in (together, alone):
                each.extend(grown)
    assert len(seen_tokens) > 10
