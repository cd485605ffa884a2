"""Best and early stop: chance neither makes a miss nor hides one."""

import numpy as np
import pytest
from draftsmith_trainer.measure.tally import Tally
from draftsmith_trainer.train.selection import judge


def tally_of(dialogues):
    made = Tally(8)
    for name, (correct, steps) in dialogues.items():
        accepted = [correct // steps + (i < correct % steps) for i in range(steps)]
        made.add(0, 1 + correct + steps, accepted, name)
    return made


def noisy(seed, shift=0.0, count=40):
    rng = np.random.default_rng(seed)
    ease = np.random.default_rng(99).normal(2.5, 0.5, count).clip(0.5, 5)
    return {f"d{i}": [min(140, int(rng.poisson((ease[i] + shift) * 20))), 20] for i in range(count)}


def verdicts(evaluations, gain=0.0):
    best, value, misses, words = {}, 0.0, 0, []
    for number, dialogues in enumerate(evaluations):
        tally = tally_of(dialogues)
        verdict = judge(tally, best, value, number == 0, gain)
        words.append(verdict.word)
        misses = verdict.misses(misses)
        if verdict.better:
            best, value = tally.dialogues, tally.pooled
    return words, misses


def test_noise_about_the_same_draft_stops_nothing():
    _, misses = verdicts([noisy(seed) for seed in range(12)])
    assert misses < 2
    # Judged by its value alone, the same draft would have stopped the run with a patience of three.
    values = np.array([tally_of(noisy(seed)).pooled for seed in range(12)])
    behind = values <= np.maximum.accumulate([0, *values])[:-1]
    assert any(behind[i : i + 3].all() for i in range(10))


def test_a_draft_that_got_worse_is_a_miss_every_time():
    words, misses = verdicts([noisy(0), noisy(1, -0.4), noisy(2, -0.5), noisy(3, -0.6)])
    assert words == ["best", "miss", "miss", "miss"] and misses == 3


def test_progress_restarts_the_patience():
    words, misses = verdicts([noisy(0), noisy(1, -0.4), noisy(2, 0.5)])
    assert words == ["best", "miss", "best"] and misses == 0


def test_equal_evaluations_are_misses():
    assert verdicts([noisy(0)] * 3) == (["best", "miss", "miss"], 2)


def test_a_gain_too_small_to_count_is_a_miss_even_where_it_is_the_best():
    first = noisy(0)
    slightly = {name: [correct + 1, steps] for name, (correct, steps) in first.items()}
    assert verdicts([first, slightly])[1] == 0
    words, misses = verdicts([first, slightly], gain=0.2)
    assert words == ["best", "best"] and misses == 1, "0.05 tokens more, and 0.2 wanted"


@pytest.mark.parametrize(("value", "word"), [(9, "miss"), (10, "miss"), (11, "best")])
def test_one_dialogue_has_no_interval_and_is_judged_by_its_value(value, word):
    words, _ = verdicts([{"a": [10, 5]}, {"a": [value, 5]}])
    assert words == ["best", word]


def test_without_heldout_rows_the_latest_is_the_best():
    verdict = judge(Tally(4), {}, 5.0, True, 0.0)
    assert verdict.better and not verdict.miss and verdict.report()["interval"] is None
