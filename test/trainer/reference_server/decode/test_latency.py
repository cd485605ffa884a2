"""Latencies: parts that add up, on sequences that all run to the end of the measurement."""

import pytest
import torch
from draft_maker import lively_draft, small_config
from draftsmith_trainer.data.images import PixelReader
from draftsmith_trainer.data.shards import ImageShards, RowShards
from draftsmith_trainer.target import load_target, read_spec
from reference_server.decode import latency
from reference_server.decode.latency import measure_latency
from reference_server.decode.scheduler import Scheduler
from sample import write_shards


@pytest.mark.parametrize("kind", ["qwen3_vl", "qwen3_5_moe"])
def test_parts_of_a_round(kind, target_dirs, tmp_path, monkeypatch):
    directory = target_dirs[kind]
    write_shards(tmp_path, train=2, heldout=1)
    rows = list(RowShards(tmp_path, "train"))
    target = load_target(read_spec(directory), (3, 4), torch.float32, whole=True)
    running, step = [], Scheduler.step

    def watched(self):
        step(self)
        running.append((self.drafting is not None, self.running))

    monkeypatch.setattr(Scheduler, "step", watched)
    pixels = PixelReader(directory, ImageShards(tmp_path))
    point = measure_latency(target, lively_draft(small_config()), pixels, rows, 3)
    assert point.concurrency == 3 and point.rounds == latency.ROUNDS
    starts = [row.spans[0][0] for row in (rows[0], rows[1], rows[0])]
    assert point.context == sum(starts) / 3
    assert min(point.step, point.draft, point.verify) > 0
    measured = running[-2 * (latency.ROUNDS + latency.WARM) :]
    assert [drafted for drafted, _ in measured] == [False, True] * (latency.ROUNDS + latency.WARM), "they take turns"
    assert all(count == 3 for _, count in measured)
