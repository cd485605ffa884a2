"""Rates and shares: counted over the right rows and the right time."""

import time

import numpy as np
import pytest
import torch
from draft_maker import small_config
from draftsmith_trainer.data.shards import RowShards
from draftsmith_trainer.data.survey import survey
from draftsmith_trainer.parallel.device import choose_compute, matrix_rate
from draftsmith_trainer.plan.floor import RowFloor
from draftsmith_trainer.plan.shape import read_shape
from draftsmith_trainer.train.meter import Meter
from sample import write_shards


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_rates(clock):
    counted = [0, 0.0]
    asked = []

    def floor(rows, share):
        asked.append((rows.tolist(), share))
        return 3.0

    meter = Meter(np.array([10, 20, 30, 40]), floor, lambda: (counted[0], counted[1]), world=2)
    with meter.waiting():
        clock[0] += 1
    meter.add(np.array([0, 2]))
    meter.add(np.array([3, 1]))
    clock[0] += 4
    counted[:] = [1, 0.5]
    read = meter.read()
    assert read == {
        "rows/s": 4 / 5,
        "tokens/s": 100 / 5,
        "inputWait": 1.5 / 5,
        # This rank computed the states of one of its two rows, and two ranks shared the work.
        "shareOfFloor": 3.0 / 2 / 5,
    }
    assert asked == [([0, 2, 3, 1], 0.5)]
    assert meter.read() == read, "nothing new: the last rates stand"
    meter.add(np.array([0]))
    clock[0] += 100
    meter.restart()
    meter.add(np.array([1]))
    clock[0] += 2
    assert meter.read()["tokens/s"] == 10.0, "an evaluation is no training"


def test_the_floor_is_that_of_the_plan(target_dirs, tmp_path):
    write_shards(tmp_path, train=4, heldout=1, turns=2)
    facts, config = survey(RowShards(tmp_path, "train")), small_config()
    shape = read_shape(target_dirs["qwen3_vl"])
    floor = RowFloor(shape, config, facts, 8, 1e9)
    whole, rest = floor(np.arange(4), 1.0), floor(np.arange(4), 0.0)
    assert whole > rest > 0, "remembered states cost no target pass"
    assert sum(floor(np.array([i]), 1.0) for i in range(4)) == pytest.approx(whole)
    assert RowFloor(shape, config, facts, 8, 1e9, soft=True)(np.arange(4), 1.0) > whole


def test_the_rate_of_this_device_is_that_of_a_product():
    torch.set_num_threads(1)
    rate = matrix_rate(choose_compute("cpu", "fp32", "auto", None))
    assert 1e8 < rate < 1e13
