"""Figures of an evaluation: groups, intervals, pairs, places and calibration, against sums made by hand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from draft_maker import lively_draft, small_config
from draftsmith_trainer.algorithms.store import save_draft
from draftsmith_trainer.evaluate.calibration import Calibration
from draftsmith_trainer.evaluate.figures import DraftFigures
from draftsmith_trainer.evaluate.groups import MOST_GROUPS, grouped, paired, summary
from draftsmith_trainer.evaluate.records import Record, length_class, record_of
from draftsmith_trainer.measure.measurer import ResponseWalk
from draftsmith_trainer.measure.places import PlaceMarks
from draftsmith_trainer.measure.walk import walk
from evaluate_job import evaluate, write_greedy_shards


def record(dialogue="d", steps=4, correct=6, **changes):
    given = {"tags": (("task", "click"),), "turn": 0, "tokens": 11, "context": 100, "media": "image", **changes}
    return Record(dialogue, steps=steps, correct=correct, **given)


def walked(seed, tokens=24, size=4, dialogue="d0", tags=None):
    """A marked walk whose ranks, losses and confidence are drawn; the proposal is right where the rank is 0."""
    rng = np.random.default_rng(seed)
    ranks = rng.choice([0, 0, 0, 1, 3, 20], (tokens - 1, size - 1)).astype(np.int16)
    marks = PlaceMarks(ranks, rng.random(ranks.shape).astype(np.float32), rng.random(ranks.shape).astype(np.float32))
    fits = np.arange(tokens - 1)[:, None] + np.arange(1, size) < tokens
    prefixes = np.logical_and.accumulate((ranks == 0) & fits, axis=1).sum(axis=1)
    start = 30
    row = SimpleNamespace(
        dialogue_id=dialogue,
        turns=(2,),
        token_types=np.array([0, 1, *[0] * (start + tokens)], np.int8),
        tags=json.dumps(tags or {}),
    )
    steps = walk(start, start + tokens, prefixes)
    return ResponseWalk(row, 0, start, start + tokens, steps, prefixes, marks)


def test_a_record_says_where_its_response_stood():
    one = walked(1, tags={"task": "type", "app": "mail"})
    made = record_of(one)
    assert (made.turn, made.tokens, made.context, made.media) == (2, 24, 30, "image")
    assert made.tags == (("app", "mail"), ("task", "type"))
    assert (made.steps, made.correct) == (len(one.accepted), sum(one.accepted))
    later = ResponseWalk(one.row, 0, 1, 25, one.accepted)
    assert record_of(later).media == "text", "a picture after the prompt is not in its context"


@pytest.mark.parametrize(("tokens", "name"), [(1, "1-1"), (2, "2-3"), (63, "32-63"), (64, "64-127"), (0, "1-1")])
def test_length_classes(tokens, name):
    assert length_class(tokens) == name


def test_groups_add_up_to_the_whole():
    records = [
        record(
            f"d{i % 5}",
            steps=3 + i % 4,
            correct=i,
            turn=i % 3,
            tokens=2 ** (i % 6) + 1,
            media="text" if i % 2 else "image",
            tags=(("task", "abc"[i % 3]), *((("app", "x"),) if i % 2 else ())),
        )
        for i in range(30)
    ]
    whole, made = summary(records), {one["dimension"]: one["groups"] for one in grouped(records)}
    assert set(made) == {"tag app", "tag task", "turn", "response length", "context length", "media"}
    for dimension in ("tag task", "turn", "response length", "context length", "media"):
        assert sum(group["steps"] for group in made[dimension]) == whole["steps"]
        assert sum(group["responses"] for group in made[dimension]) == whole["responses"] == 30
    assert [group["responses"] for group in made["tag app"]] == [15]
    assert [group["name"] for group in made["response length"]] == ["2-3", "4-7", "8-15", "16-31", "32-63"]
    text = next(group for group in made["media"] if group["name"] == "text")
    own = [one for one in records if one.media == "text"]
    assert text["pooledAcceptLength"] == 1 + sum(r.correct for r in own) / sum(r.steps for r in own)
    assert text["meanAcceptLength"] == pytest.approx(np.mean([r.mean for r in own]))
    low, high = text["interval"]
    assert low < text["pooledAcceptLength"] < high


def test_groups_without_end_are_put_together_and_counted():
    records = [record(f"d{i}", steps=2 + i, tags=(("id", f"n{i}"),)) for i in range(MOST_GROUPS + 3)]
    groups = next(one["groups"] for one in grouped(records) if one["dimension"] == "tag id")
    assert len(groups) == MOST_GROUPS + 1 and groups[-1]["name"] == "3 other groups"
    assert groups[-1]["steps"] == 2 + 3 + 4


def test_a_pair_is_compared_on_the_same_responses():
    rng = np.random.default_rng(0)
    base = [record(f"d{i // 2}", steps=10, correct=int(c)) for i, c in enumerate(rng.integers(5, 40, 60))]
    better = [record(one.dialogue, steps=9, correct=one.correct + 1) for one in base]
    made = paired(better, base)
    assert made["dialogues"] == 30 and made["responses"] == 60
    sums = [sum(one.correct for one in some) / sum(one.steps for one in some) for some in (better, base)]
    assert made["difference"] == pytest.approx(sums[0] - sums[1])
    assert made["interval"][0] > 0 and made["meanInterval"][0] > 0
    assert (made["dialoguesBetter"], made["dialoguesEqual"], made["dialoguesWorse"]) == (30, 0, 0)
    same = paired(base, base)
    assert same["difference"] == 0 and same["interval"] == [0, 0] and same["dialoguesEqual"] == 30


def test_places_against_sums_by_hand():
    walks = [walked(seed, tokens=20 + seed, dialogue=f"d{seed}") for seed in range(12)]
    figures = DraftFigures(4, marked=True)
    for one in walks:
        figures.add(one)
    report = figures.report(2.5)
    offered, reached, accepted, losses, sure, expected = ([[] for _ in range(3)] for _ in range(6))
    for one in walks:
        at = 0
        for step in one.accepted:
            product = 1.0
            for k in range(1, 4):
                if at + k >= one.end - one.start:
                    break
                product *= float(one.marks.confidence[at, k - 1])
                expected[0].append(product)
                offered[k - 1].append(1)
                losses[k - 1].append(float(one.marks.losses[at, k - 1]))
                if step >= k - 1:
                    reached[k - 1].append(1)
                    sure[k - 1].append(float(one.marks.confidence[at, k - 1]))
                    accepted[k - 1].append(step >= k)
            at += step + 1
    for k, place in enumerate(report["places"]):
        assert place["offered"] == len(offered[k]) and place["reached"] == len(reached[k])
        assert place["accepted"] == sum(accepted[k]) == report["perPosition"][k]["accepted"]
        assert place["loss"] == pytest.approx(np.mean(losses[k]))
        assert place["confidence"] == pytest.approx(np.mean(sure[k]))
        shares = [one["share"] for one in place["among"]]
        assert shares == sorted(shares) and shares[-1] < 1, "rank 20 is outside of 16 candidates"
    tokens = report["calibration"]["tokens"]
    assert tokens["predictions"] == sum(map(len, reached))
    assert sum(one["count"] for one in tokens["bins"]) == tokens["predictions"]
    assert report["calibration"]["expectedAcceptLength"] == pytest.approx(1 + sum(expected[0]) / report["steps"])
    oracle = {one["candidates"]: one["pooledAcceptLength"] for one in report["oracle"]}
    assert oracle[1] == report["pooledAcceptLength"] < oracle[2] < oracle[4] == oracle[16]


def test_a_calibrated_draft_has_no_error():
    rng = np.random.default_rng(1)
    confidence = rng.random(200_000)
    right = rng.random(200_000) < confidence
    good, bad = Calibration(), Calibration()
    good.add(confidence, right)
    bad.add(confidence**3, right)
    assert good.report()["error"] < 0.01 and bad.report()["error"] > 0.2
    edge = Calibration()
    edge.add(np.array([1.0, 0.0, 0.05]), np.array([True, False, False]))
    bins = edge.report()["bins"]
    assert (bins[9]["count"], bins[0]["count"], bins[5]["frequency"]) == (1, 2, None)


def test_the_job_writes_them(tmp_path, target_dirs):
    shards = write_greedy_shards(tmp_path / "shards", target_dirs["qwen3_vl"])
    assert shards.exists()
    for name, seed in (("trained", 0), ("other", 1), ("untrained", 2)):
        save_draft(lively_draft(small_config(), seed), tmp_path / name)
    drafts = {name: tmp_path / name for name in ("trained", "other", "untrained")}
    report, steps, _ = evaluate(tmp_path, target_dirs["qwen3_vl"], drafts, compareRows=0)
    pairs = [(one["draft"], one["baseline"]) for one in report["paired"]]
    assert pairs == [("other", "untrained"), ("trained", "untrained"), ("trained", "other")]
    own = report["drafts"]["trained"]
    assert own["dialogues"] == 4 and len(own["interval"]) == 2
    assert {one["dimension"] for one in own["groups"]} >= {"turn", "media", "response length"}
    assert own["oracle"][0]["pooledAcceptLength"] == own["pooledAcceptLength"]
    difference = own["pooledAcceptLength"] - report["drafts"]["untrained"]["pooledAcceptLength"]
    assert report["paired"][1]["difference"] == pytest.approx(difference)
    bare, same, _ = evaluate(tmp_path, target_dirs["qwen3_vl"], drafts, compareRows=0, placeFigures=False)
    assert same == steps and bare["drafts"]["trained"]["oracle"] is None
