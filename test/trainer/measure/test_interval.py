"""Intervals by the bootstrap over dialogues: their coverage, what they resample, and what pairing takes out."""

import numpy as np
from draftsmith_trainer.measure.interval import paired_interval, pooled_interval, ratio_interval, resampled
from draftsmith_trainer.measure.tally import Tally


def dialogues(seed, count=60, spread=0.6, ease=0.0):
    """Accepted tokens and steps of dialogues that differ in how easy they are, and steps that resemble each other."""
    rng = np.random.default_rng(seed)
    made = {}
    for number in range(count):
        steps = int(rng.integers(5, 40))
        rate = float(np.clip(rng.normal(2.0 + ease, spread), 0.1, 6))
        made[f"d{number}"] = [int(rng.poisson(rate, steps).sum()), steps]
    return made


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    hits = 0
    for seed in range(120):
        low, high = pooled_interval(dialogues(seed))
        hits += low <= 3.0 <= high
    # 95 % of 120 are 114; percentile intervals of 60 clusters cover a little less. 102 is six standard deviations off
    # what an interval over steps reaches (about half).
    assert 106 <= hits <= 120


def test_steps_of_a_dialogue_count_as_one_draw():
    whole = {f"d{i}": [30 * (i % 3), 30] for i in range(60)}
    split = {f"d{i}-{k}": [i % 3, 1] for i in range(60) for k in range(30)}
    wide, narrow = pooled_interval(whole), pooled_interval(split)
    assert wide[1] - wide[0] > 4 * (narrow[1] - narrow[0])


def test_pairing_takes_out_what_makes_dialogues_easy():
    base = dialogues(3, spread=1.5)
    better = {name: [correct + steps // 10, steps] for name, (correct, steps) in base.items()}
    difference, (low, high) = paired_interval(better, base)
    own_low, own_high = pooled_interval(base)
    assert low > 0 and low <= difference <= high
    assert high - low < (own_high - own_low) / 5, "each alone is far less certain than their difference"
    reverse, (under, over) = paired_interval(base, better)
    assert (reverse, under, over) == (-difference, -high, -low)
    assert paired_interval(base, base) == (0.0, (0.0, 0.0))


def test_only_shared_dialogues_are_paired():
    one, other = {"a": [4, 2], "b": [6, 2], "c": [100, 1]}, {"a": [2, 2], "b": [3, 3], "d": [0, 9]}
    difference, _ = paired_interval(one, other)
    assert difference == 10 / 4 - 5 / 5
    assert paired_interval({"a": [1, 1]}, {"b": [1, 1]}) == (0.0, None)


def test_too_few_clusters_have_no_interval():
    assert pooled_interval({}) is None and pooled_interval({"a": [3, 2]}) is None
    assert pooled_interval({"a": [3, 2], "b": [0, 0]}) is None
    assert ratio_interval(np.zeros((5, 2))) is None


def test_same_counts_same_bits_in_whatever_order_they_came():
    made = dialogues(5)
    turned = dict(reversed(list(made.items())))
    assert pooled_interval(made) == pooled_interval(turned)
    counts = np.arange(300).reshape(100, 3)
    sums = resampled(counts, draws=7)
    assert sums.shape == (7, 3) and np.array_equal(sums, resampled(counts, draws=7))
    # Columns are drawn together: each row of counts has column 1 = column 0 + 1, and 100 rows are drawn.
    assert np.array_equal(sums[:, 1] - sums[:, 0], np.full(7, 100.0))


def test_a_tally_keeps_its_dialogues_through_merging():
    one, other, whole = Tally(4), Tally(4), Tally(4)
    for tally in (one, whole):
        tally.add(0, 7, [3, 1], "a", np.array([3, 0, 0, 0, 1, 0]))
    for tally in (other, whole):
        tally.add(0, 3, [0, 0], "a", np.array([0, 0]))
        tally.add(0, 4, [2], "b", np.array([2, 1, 0]))
    one.merge(other)
    assert one == whole
    assert one.dialogues == {"a": [4, 4], "b": [2, 1]}
    assert one.report()["anchorAcceptLength"] == 1 + 7 / 11
