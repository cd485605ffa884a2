"""Job files: unknown keys and wrong values are refused by name; what follows from the target is right."""

import json

import pytest
from draftsmith_trainer.algorithms.settings import new_config
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.base.typed_json import parse, read_job, to_json
from draftsmith_trainer.export.options import ExportJob
from draftsmith_trainer.parallel.device import choose_compute
from draftsmith_trainer.target import read_spec
from draftsmith_trainer.train.options import TrainJob, TrainOptions
from draftsmith_trainer.train.schedule import learning_rate
from hypothesis import given
from hypothesis import strategies as st

JOB = {"target": "t", "shards": "s", "workDir": "w", "resumeDir": "r"}


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"epohcs": 3}, "unknown option options.epohcs", "epochs"),
        ({"draft": {"blocksize": 8}}, "options.draft.blocksize", "blockSize"),
        ({"epochs": "3"}, "options.epochs must be a number, not the string '3'", None),
        ({"batchSize": 1.5}, "options.batchSize must be a whole number", None),
        ({"batchSize": True}, "options.batchSize must be a whole number", None),
        ({"shardTarget": 1}, "options.shardTarget must be one of 'auto', True, False, not 1", None),
        ({"batchSize": 0}, "options.batchSize must be at least 1", None),
        ({"dpaceAlpha": 1.5}, "options.dpaceAlpha must be at least 0 and at most 1", None),
        ({"device": "tpu"}, "options.device must be one of 'auto', 'cpu', 'cuda'", None),
        ({"draft": {"targetLayerIds": [3, "x"]}}, "options.draft.targetLayerIds[1]", None),
        ({"draft": None}, "options.draft must be an object, not null", None),
        ({"lr": 0}, "options.lr must be more than 0", None),
    ],
)
def test_bad_options(options, message, hint):
    with pytest.raises(UserError) as error:
        parse(TrainJob, {**JOB, "options": options}, "")
    assert error.value.code == "bad-option"
    assert message in error.value.message
    assert hint is None or hint in error.value.hint


def test_missing_key_and_file(tmp_path):
    with pytest.raises(UserError, match="target is missing"):
        parse(ExportJob, {"checkpoints": "c", "workDir": "w"}, "")
    with pytest.raises(UserError) as error:
        read_job(TrainJob, tmp_path / "none.json")
    assert error.value.code == "bad-job"
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        read_job(TrainJob, tmp_path / "job.json")


def test_defaults_round_trip():
    job = parse(TrainJob, JOB, "")
    assert job.options == TrainOptions()
    assert parse(TrainJob, json.loads(json.dumps(to_json(job))), "") == job


def test_gamma_follows_the_block():
    options = parse(TrainJob, JOB, "").options
    assert [options.decay(block) for block in (8, 10, 16)] == [4.0, 5.0, 7.0]
    assert parse(TrainJob, {**JOB, "options": {"gamma": 2.5}}, "").options.decay(16) == 2.5


def test_geometry_follows_the_target(target_dirs):
    def made(kind, **draft):
        options = parse(TrainJob, {**JOB, "options": {"draft": {"maskTokenId": 510, **draft}}}, "").options
        return new_config(options.draft, read_spec(target_dirs[kind]))

    config = made("qwen3_vl")
    assert (config.num_attention_heads, config.num_key_value_heads, config.head_dim) == (4, 2, 16)
    assert (config.intermediate_size, config.rope_theta, config.rotary) == (192, 5e6, "plain")
    assert config.target_layer_ids == (3, 4) and config.max_position_embeddings == 2048
    assert made("qwen3_5").target_layer_ids == (1, 2, 3, 4, 5)
    assert made("qwen3_5").partial_rotary_factor == 1.0
    mrope = made("qwen3_5", rotary="mrope")
    assert mrope.mrope_section == (2, 1, 1) and mrope.rotary_dim == 8
    sliding = made("qwen3_vl", layers=3, slidingLayers=[1], slidingWindow=64)
    assert sliding.layer_types == ("full_attention", "sliding_attention", "full_attention")
    with pytest.raises(UserError, match="layer 3"):
        made("qwen3_vl", layers=3, slidingLayers=[3], slidingWindow=64)
    with pytest.raises(UserError, match=r"0\.\.6"):
        made("qwen3_vl", targetLayerIds=[3, 7])


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0, 1), st.sampled_from(["cosine", "constant", "linear"]))
def test_schedule_rises_then_falls(total, warmup, floor, schedule):
    rates = [learning_rate(step, total, 1.0, warmup, floor, schedule) for step in range(total)]
    assert all(0 <= rate <= 1 + 1e-12 for rate in rates)
    top = max(range(total), key=lambda i: rates[i])
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    if schedule == "constant":
        assert set(rates[round(warmup * total) :]) <= {1.0}


def test_schedules_differ_after_the_warm_up():
    def rates(schedule):
        return [round(learning_rate(step, 12, 1.0, 1 / 6, 0.1, schedule), 4) for step in (0, 1, 2, 7, 11)]

    assert rates("constant") == [0.5, 1.0, 1.0, 1.0, 1.0]
    assert rates("linear") == [0.5, 1.0, 1.0, 0.55, 0.19]
    assert rates("cosine") == [0.5, 1.0, 1.0, 0.55, 0.122]


def test_compute_that_cannot_be():
    with pytest.raises(UserError) as error:
        choose_compute("cpu", "auto", "flex", None)
    assert error.value.code == "flex-needs-cuda"
    assert choose_compute("cpu", "auto", "auto", None).attention == "split"
