"""Captured states are kept where that saves target passes: held against a simulation of what the run would do."""

import numpy as np
import pytest
from draftsmith_trainer.data.order import epoch_batches, rank_part
from draftsmith_trainer.data.survey import RowFacts
from draftsmith_trainer.train.extent import Extent, extent, rows_per_step
from draftsmith_trainer.train.options import TrainOptions
from draftsmith_trainer.train.state_cache import decide_cache


def facts(rows: int, tokens: int, context: int | None = None) -> RowFacts:
    whole = np.full(rows, tokens, np.int64)
    none = np.zeros(rows, np.int64)
    return RowFacts(whole, none, none, np.full(rows, context or tokens, np.int64), none, none, none, none.astype(bool))


def test_real_size_is_off():
    # 278,000 rows of 1,400 tokens against an 8B: 57 MB a row, of which 2 GiB hold 37.
    planned = extent(278_000, TrainOptions(batch_size=2), 16)
    found = decide_cache(2048, facts(278_000, 1400), facts(256, 1400), planned, 8, 5 * 4096 * 2)
    assert found.budget_mb == 0
    assert found.saved < 0.002
    assert "under 1 %" in found.reason and "stateCacheMb 2,048" in found.reason


def test_quickstart_is_on():
    planned = extent(1000, TrainOptions(batch_size=16, epochs=4), 16)
    found = decide_cache(2048, facts(1000, 300), facts(100, 300), planned, 1, 5 * 256 * 4)
    assert found.budget_mb == 2048
    assert found.saved == pytest.approx((3 * 1000 + 4 * 100) / (4 * 1000 + 5 * 100))


@pytest.mark.parametrize("budget, epochs", [(0, 5), (2048, 1)])
def test_off_by_option_or_where_nothing_comes_twice(budget, epochs):
    planned = extent(100, TrainOptions(epochs=epochs), 2)
    assert decide_cache(budget, facts(100, 50), facts(0, 50), planned, 1, 100).budget_mb == 0


def simulate(budget: int, train: RowFacts, measured: RowFacts, planned: Extent, world: int, state_bytes: int) -> float:
    """The share of target passes that caches of the processes, filled as rows come, really save."""
    kept: list[dict[tuple[str, int], int]] = [{} for _ in range(world)]
    seen, spared = 0, 0

    def ask(rank: int, split: str, row: int, row_facts: RowFacts) -> bool:
        if (split, row) in kept[rank]:
            return True
        size = int(row_facts.context[row]) * state_bytes + 24 * int(row_facts.tokens[row])
        if sum(kept[rank].values()) + size <= budget * 2**20:
            kept[rank][split, row] = size
        return False

    def evaluate() -> None:
        nonlocal seen, spared
        for row in range(len(measured)):
            seen += 1
            spared += ask(row % world, "heldout", row, measured)

    evaluate()
    batch, step, epoch = len(train) // planned.per_epoch, 0, 0
    while step < planned.steps:
        for rows in epoch_batches(train.tokens, np.arange(len(train)), batch, 0, epoch):
            for rank in range(world):
                for row in rank_part(rows, train.tokens[rows], rank, world):
                    seen += 1
                    spared += ask(rank, "train", int(row), train)
            step += 1
            if step % planned.eval_every == 0 or step == planned.steps:
                evaluate()
            if step == planned.steps:
                break
        epoch += 1
    return spared / seen


@pytest.mark.parametrize(
    "budget, world, steps, eval_every",
    [
        (1000, 1, None, 25),
        (4, 1, None, 25),
        (40, 1, None, 100),
        (1000, 2, None, 100),
        (20, 4, None, 25),
        (9, 1, 150, 40),
    ],
)
def test_share_is_what_happens(budget, world, steps, eval_every):
    options = TrainOptions(batch_size=8 // world, epochs=3, max_steps=steps, eval_every=eval_every)
    train, measured, width = facts(800, 90, 80), facts(40, 90, 80), 1024
    planned = extent(800, options, rows_per_step(options, world))
    found = decide_cache(budget, train, measured, planned, world, width)
    assert found.saved == pytest.approx(simulate(budget, train, measured, planned, world, width), abs=0.02)
