"""What a run tells: metrics without the clock, progress with it, and the course of the run made from the lines."""

import io
import json

import numpy as np
import pytest
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.measure.tally import Tally
from draftsmith_trainer.train.curve import POINTS, training_report
from draftsmith_trainer.train.extent import Extent
from draftsmith_trainer.train.meter import Meter
from draftsmith_trainer.train.run_log import RunLog
from draftsmith_trainer.train.selection import judge
from draftsmith_trainer.train.state import Progress

PER_EPOCH = 20


class Listener:
    def __init__(self):
        self.heard = []

    def log(self, step, values):
        self.heard.append((step, values))

    def close(self):
        self.heard.append("closed")


def opened(tmp_path, out, listener, steps=60):
    extent = Extent(**{**dict.fromkeys(Extent.__dataclass_fields__, 1), "steps": steps, "per_epoch": PER_EPOCH})
    meter = Meter(np.full(8, 50), lambda _rows, _share: 0.001, lambda: (0, 0.0), 1)
    memory = {"memoryMiB/peak": 7.0}
    return RunLog(tmp_path / "metrics.jsonl", Events(out), extent, True, meter, lambda: memory, lambda _step: listener)


def tally_of(correct, steps):
    made = Tally(4)
    for number in range(4):
        accepted = [correct // steps] * steps
        made.add(0, 1 + sum(accepted) + steps, accepted, f"d{number}", np.array(accepted))
    return made


def run(tmp_path, out, listener, stop_at=None):
    """60 steps with an evaluation every 20; or until ``stop_at``, resumed from the state that was saved there."""
    progress, log = Progress(), opened(tmp_path, out, listener)
    log.begin(progress)
    log.evaluation(0, tally_of(0, 5))
    for step in range(1, 61):
        values = {"loss": 100 / step, "lr": 1e-3, "gradNorm": 1.0, "trainAcceptLength": 1 + step / 50}
        log.step(step, values, [step / 100, None], np.array([step % 8, 3]))
        if step == stop_at:
            progress = log.marked(progress)
            log.step(step + 1, values, [0.5, 0.5], np.array([0]))
            log = opened(tmp_path, out, listener)
            log.begin(Progress(**json.loads(json.dumps(vars(progress)))))
        if step % 20 == 0:
            tally = tally_of({20: 5, 40: 15, 60: 10}[step], 5)
            verdict = judge(tally, progress.best_dialogues, progress.best_value, progress.best_step < 0, 0.0)
            log.evaluation(step, tally, verdict)
            if verdict.better:
                progress = progress.then(best_step=step, best_value=tally.pooled, best_dialogues=tally.dialogues)
    log.close()
    return progress


def test_a_resumed_run_leaves_the_same_lines(tmp_path):
    for name, stop in (("whole", None), ("resumed", 33)):
        (tmp_path / name).mkdir()
        run(tmp_path / name, io.StringIO(), Listener(), stop)
    whole, resumed = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "resumed"))
    assert whole == resumed
    lines = [json.loads(line) for line in whole.splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [10, 20, 30, 40, 50, 60]
    assert lines[2]["accuracyByPlace"] == [0.2, None]
    means = [line["train"]["loss"] for line in lines if line.get("train")]
    assert means == pytest.approx([np.mean([100 / s for s in range(a + 1, a + 21)]) for a in (0, 20, 40)])


def test_progress_and_trackers_hear_what_depends_on_the_machine(tmp_path):
    out, listener = io.StringIO(), Listener()
    run(tmp_path, out, listener)
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    progress = [event for event in events if event["type"] == "progress"]
    assert progress[-1]["done"] == progress[-1]["total"] == 60
    assert set(progress[-1]["rates"]) == {"rows/s", "tokens/s"}
    assert progress[-1]["note"].startswith("loss 1.667, input wait ")
    metric = next(event for event in events if event["type"] == "metric" and event["step"] == 20)
    assert metric["values"]["memoryMiB/peak"] == 7.0 and metric["values"]["shareOfFloor"] > 0
    assert metric["values"]["tokens/s"] == pytest.approx(50 * metric["values"]["rows/s"])
    assert b"/s" not in (tmp_path / "metrics.jsonl").read_bytes()
    told = dict(one for one in listener.heard if one != "closed" and "loss" in one[1])
    assert told[20]["accuracy/1"] == 0.2 and "accuracy/2" not in told[20] and told[20]["epoch"] == 1.0
    shown = dict(one for one in listener.heard if one != "closed" and "heldout/low" in one[1])
    assert list(shown) == [20, 40, 60] and listener.heard[-1] == "closed"


def test_the_course_of_a_run(tmp_path):
    progress = run(tmp_path, io.StringIO(), Listener())
    report = training_report(tmp_path / "metrics.jsonl", progress, PER_EPOCH, 4, "finished")
    assert [one["verdict"] for one in report["evaluations"]] == [None, "best", "best", "miss"]
    assert report["best"] == {"step": 40, "epoch": 2.0, "pooledAcceptLength": 4.0, "interval": [4.0, 4.0]}
    assert report["evaluations"][3]["difference"] == -1.0
    assert [one["epoch"] for one in report["epochs"]] == [1.0, 2.0, 3.0]
    rising = [one["trainAcceptLength"] for one in report["epochs"]]
    held = [one["heldoutAnchorAcceptLength"] for one in report["epochs"]]
    assert rising == sorted(rising) and held == [2.0, 4.0, 3.0], "the curve parts after the second epoch"
    assert [point["step"] for point in report["curve"]] == [10, 20, 30, 40, 50, 60]


def test_a_long_curve_is_thinned(tmp_path):
    line = {"loss": 1.0, "lr": 1.0, "gradNorm": 1.0, "trainAcceptLength": 1.0, "accuracyByPlace": []}
    lines = [json.dumps({"step": 10 * n, "epoch": n / 10, **line}) for n in range(1, 3 * POINTS)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    report = training_report(tmp_path / "metrics.jsonl", Progress(step=9), 10, 4, "finished")
    steps = [point["step"] for point in report["curve"]]
    assert len(steps) <= POINTS and steps[:2] == [30, 60] and report["epochs"] == [] and report["best"] is None
