"""Trackers: event files read back, W&B without a network, MLflow's own store; what is missing, fails or is secret."""

import io
import json
import struct
import sys
import tempfile

import pytest
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.base.secrets import hide_secrets
from draftsmith_trainer.jobs.train import run
from draftsmith_trainer.train.reporters import Reporting, check_reporters, open_reporters, opening
from job_runner import Run, write_job
from sample import write_shards

OPTIONS = {
    "draft": {"layers": 1, "blockSize": 4, "intermediateSize": 64, "maskTokenId": 510},
    "anchors": 4,
    "lr": 0.002,
    "evalEvery": 10,
    "checkpointEvery": 10,
    "device": "cpu",
    "threads": 1,
}
#: What the issue asks of every tracker, for a run on a CPU.
WANTED = {
    *("loss", "lr", "gradNorm", "trainAcceptLength", "epoch", "rows/s", "tokens/s", "inputWait", "shareOfFloor"),
    *("accuracy/1", "accuracy/2", "accuracy/3", "heldout/pooledAcceptLength", "heldout/low", "heldout/high"),
    *("memoryMiB/target", "memoryMiB/draft", "memoryMiB/optimizer", "memoryMiB/peak"),
}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), train=6, heldout=3)


def job_in(root, target, shards, **options):
    (root / "work").mkdir(parents=True, exist_ok=True)
    return write_job(
        root / "job.json",
        target=target,
        shards=shards,
        workDir=root / "work",
        resumeDir=root / "resume",
        options={**OPTIONS, **options},
    )


def train(root, target, shards, **options):
    out = io.StringIO()
    run(job_in(root, target, shards, **options), Events(out))
    return [json.loads(line) for line in out.getvalue().splitlines()]


def metrics_of(root):
    lines = [json.loads(line) for line in (root / "work" / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line for line in lines if "loss" in line}


def test_tensorboard_holds_what_metrics_jsonl_holds(tmp_path, target_dirs, shards):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(tmp_path, target_dirs["qwen3_vl"], shards, maxSteps=20, epochs=50, reportTo=["tensorboard"])
    read = accumulator.EventAccumulator(str(tmp_path / "resume" / "tensorboard")).Reload()
    assert set(read.Tags()["scalars"]) >= WANTED
    kept = metrics_of(tmp_path)
    for name in ("loss", "gradNorm", "lr", "trainAcceptLength"):
        shown = {event.step: event.value for event in read.Scalars(name)}
        assert shown == pytest.approx({step: line[name] for step, line in kept.items()}, rel=1e-6)
    assert [event.step for event in read.Scalars("heldout/pooledAcceptLength")] == [0, 10, 20]
    for name in ("rows/s", "tokens/s", "shareOfFloor"):
        assert all(event.value > 0 for event in read.Scalars(name))
    assert all(0 <= event.value <= 1 for event in read.Scalars("inputWait"))
    tokens, rows = read.Scalars("tokens/s")[-1].value, read.Scalars("rows/s")[-1].value
    assert 15 < tokens / rows < 60, "rows of this test have 20 to 40 tokens"


def test_a_resumed_run_replaces_what_tensorboard_had_after_the_state(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for begun, values in ((0, {10: 1.0, 20: 2.0, 30: 3.0}), (10, {20: 2.5})):
        reporter = open_reporters(["tensorboard"], Reporting(tmp_path, begun, {}), Events(io.StringIO()))
        for step, value in values.items():
            reporter.log(step, {"loss": value})
        reporter.close()
    read = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in read.Scalars("loss")] == [(10, 1.0), (20, 2.5)]


def wandb_records(content):
    """The records of a .wandb file: LevelDB's log format after a header of 7 bytes."""
    at, part = 7, b""
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        size, kind = struct.unpack("<HB", content[at + 4 : at + 7])
        part += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            yield part
            part = b""


def test_wandb_keeps_a_run_on_disk_without_a_network(tmp_path, target_dirs, shards, monkeypatch):
    # W&B makes temporary directories when it is imported, and removes them when the process exits.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    records = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    places = ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "TMPDIR")
    for place in places:
        (tmp_path / place).mkdir()
    job = job_in(tmp_path, target_dirs["qwen3_vl"], shards, maxSteps=20, epochs=50, reportTo=["wandb"])
    key = "0123456789abcdef0123456789abcdef01234567"
    variables = {place: str(tmp_path / place) for place in places}
    started = Run("train", job, WANDB_MODE="offline", WANDB_API_KEY=key, **variables)
    assert started.wait() == 0, started.errors()
    events = started.events()
    assert not any(event.get("level") == "warn" for event in events), events
    (kept,) = (tmp_path / "resume" / "wandb").glob("offline-run-*/run-*.wandb")
    seen = {}
    for data in wandb_records(kept.read_bytes()):
        record = records.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            seen.setdefault(items["step"], {}).update(items)
    assert set(seen[20]) >= WANTED
    assert {step: line["loss"] for step, line in metrics_of(tmp_path).items()} == {
        step: items["loss"] for step, items in seen.items() if "loss" in items
    }
    everything = "".join(map(json.dumps, events)).encode() + b"".join(
        path.read_bytes() for path in (tmp_path / "resume").rglob("*") if path.is_file()
    )
    assert b"0123456789abcdef" not in everything
    assert any("wandb sync" in event.get("message", "") for event in events)


def test_mlflow_continues_the_run_that_it_began(tmp_path, target_dirs, shards, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    options = {"epochs": 50, "reportTo": ["mlflow"]}
    train(tmp_path, target_dirs["qwen3_vl"], shards, maxSteps=20, **options)
    (tmp_path / "resume" / "mlflow.json").read_text()
    client = mlflow.MlflowClient(tracking_uri=(tmp_path / "resume" / "mlflow").as_uri())
    (found,) = client.search_runs([client.get_experiment_by_name("draftsmith").experiment_id])
    assert found.info.status == "FINISHED" and set(found.data.metrics) >= WANTED
    assert found.data.params["draft.blockSize"] == "4"
    losses = {metric.step: metric.value for metric in client.get_metric_history(found.info.run_id, "loss")}
    assert losses == {step: line["loss"] for step, line in metrics_of(tmp_path).items()}
    train(tmp_path, target_dirs["qwen3_vl"], shards, maxSteps=20, **options)
    assert len(client.search_runs([found.info.experiment_id])) == 1


def test_a_package_that_is_missing_ends_the_run_before_it_loads_anything(tmp_path, target_dirs, shards, monkeypatch):
    monkeypatch.setitem(opening._KINDS, "wandb", opening._Kind("no_such_tracker", "wandb==9", opening._wandb))
    with pytest.raises(UserError) as error:
        train(tmp_path, target_dirs["qwen3_vl"], shards, maxSteps=2, reportTo=["wandb"])
    assert error.value.code == "reporter-missing" and error.value.toolkit_code == "PYTHON_MISSING"
    assert f"{sys.executable} -m pip install wandb==9" in error.value.hint and error.value.field == "reportTo"
    assert not (tmp_path / "resume").exists()
    check_reporters([])


def test_a_reporter_that_fails_ends_neither_the_run_nor_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "s3cret-value")
    seen, out = [], io.StringIO()

    class Failing:
        def log(self, step, _values):
            raise ConnectionError(f"step {step}: no route to https://user:word@host/?key=s3cret-value")

        def close(self):
            raise AssertionError("closed after it had failed")

    class Fine:
        def log(self, step, values):
            seen.append((step, values))

        def close(self):
            seen.append("closed")

    for name, kind in (("mlflow", Failing), ("wandb", Fine)):
        made = opening._Kind("json", "", lambda *_, kind=kind: kind())
        monkeypatch.setitem(opening._KINDS, name, made)
    reporter = open_reporters(["mlflow", "wandb"], Reporting(tmp_path, 0, {}), Events(out))
    for step in (1, 2):
        reporter.log(step, {"loss": 1.0})
    reporter.close()
    assert seen == [(1, {"loss": 1.0}), (2, {"loss": 1.0}), "closed"]
    (warning,) = [json.loads(line) for line in out.getvalue().splitlines()]
    assert warning["level"] == "warn" and warning["message"].startswith("mlflow takes no more metrics")
    assert "s3cret" not in warning["message"] and "word@" not in warning["message"]


def test_secrets_are_hidden(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "abcdef123456")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "abcdef123456789")
    monkeypatch.setenv("KEYBOARD", "qwertzuiop")
    text = "abcdef123456789 abcdef123456 qwertzuiop http://me:mine@host:1/path?x=a@b"
    assert hide_secrets(text) == "[hidden] [hidden] qwertzuiop http://[hidden]@host:1/path?x=a@b"
