"""A plan is made of the rows that training would use, refuses what cannot fit, and costs no import of torch."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.data.batch import make_batch
from draftsmith_trainer.data.blocks import draw_anchors
from draftsmith_trainer.data.shards import RowShards
from draftsmith_trainer.data.survey import survey
from draftsmith_trainer.draft.options import DraftOptions
from draftsmith_trainer.losses.frozen_head import LOGITS_BUDGET
from draftsmith_trainer.plan.cards import KNOWN, SCALING, SHARE, Card, read_cards
from draftsmith_trainer.plan.estimate import estimate
from draftsmith_trainer.plan.memory import LOGITS_BYTES, Pack, training_memory
from draftsmith_trainer.plan.options import ExpectedRows, PlanJob
from draftsmith_trainer.plan.parameters import target_parameters
from draftsmith_trainer.plan.report import report_facts, report_lines
from draftsmith_trainer.plan.rows import totals_of
from draftsmith_trainer.plan.shape import read_shape
from draftsmith_trainer.plan.sharding import decide_sharding
from draftsmith_trainer.train.corpus import open_corpus
from draftsmith_trainer.train.options import TrainOptions
from job_runner import environment, write_job
from real_configs import real_config
from sample import sample_row, write_shards
from shard_maker import write_rows

DRAFT = DraftOptions(mask_token_id=510)


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    return write_shards(tmp_path_factory.mktemp("shards"), train=9, heldout=3)


@pytest.fixture
def target(tmp_path):
    def make(name: str) -> Path:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        (directory / "config.json").write_text(json.dumps(real_config(name)), "utf-8")
        return directory

    return make


@pytest.mark.parametrize("anchors", [100, 4])
def test_totals_are_those_of_the_blocks(tmp_path, anchors):
    rows = [sample_row(seed, turns=1 + seed % 3, response=9)[0] for seed in range(8)]
    write_rows(tmp_path, "train", rows)
    opened = RowShards(tmp_path, "train")
    found = totals_of(survey(opened), anchors, 4)
    drawn = [draw_anchors(row, anchors, 0, 0) for row in opened]
    starts = np.cumsum([0, *(len(row) for row in opened)])[:-1]
    batch = make_batch(list(opened), drawn, starts, 4, 510)
    assert found.anchors == sum(len(each) for each in drawn) == batch.blocks
    # Which anchors are drawn is chance, so places of a few of them are so on average only.
    assert found.places == pytest.approx(len(batch.labels), rel=1e-9 if anchors == 100 else 0.1)
    assert found.tokens == sum(len(row.ids) for row in rows)
    assert found.patches == 16 * sum(len(row.grids) for row in rows)


def test_plan_of_shards(target_dirs, shards):
    options = TrainOptions(draft=DRAFT, epochs=2, batch_size=2, max_length=24, eval_every=2)
    lengths = np.diff([0, *np.cumsum(survey(RowShards(shards, "train")).tokens)])
    kept = int((lengths <= 24).sum())
    assert 0 < kept < 9
    plan = estimate(PlanJob(target_dirs["qwen3_5_moe"], shards, 2, options), [])
    facts = report_facts(plan)
    assert facts["measuredRows"] is True
    assert facts["rows"] == kept == plan.scope.counts["kept"]
    assert facts["steps"] == 2 * -(-kept // 4)
    assert facts["evaluations"] == 1 + -(-facts["steps"] // 2)
    assert [card["name"] for card in facts["cards"]] == ["H100", "H200"]
    text = "\n".join(report_lines(plan))
    assert f"rows: {kept} ({9 - kept} too-long left out)" in text
    assert plan.refusal is None


def test_plan_without_shards_bounds_every_row(target):
    limited = TrainOptions(max_length=2048, anchors=256, batch_size=4, max_steps=100)
    plan = estimate(PlanJob(target("8b"), None, 1, limited), [])
    assert plan.scope.train.rows == 400
    assert plan.scope.train.tokens == 400 * 2048
    assert plan.scope.extent.steps == 100
    assert "there are no shards yet" in "\n".join(report_lines(plan))
    unlimited = estimate(PlanJob(target("8b"), None, 1, TrainOptions()), [])
    facts = report_facts(unlimited)
    assert facts["steps"] is None and facts["cards"][0]["trainHours"] is None
    assert facts["cards"][0]["rowsPerSecond"] > 0


def test_plan_of_expected_rows(target):
    expected = ExpectedRows(rows=834_000, tokens=3000, answers=1, supervised=600, pictures=2, picture_tokens=1000)
    options = TrainOptions(max_length=8192, anchors=512, batch_size=2, epochs=5, eval_rows=1024)
    plan = estimate(PlanJob(target("30b"), None, 8, options, expected), [])
    facts = report_facts(plan)
    assert facts["rows"] == 834_000 and facts["tokens"] == 834_000 * 3000
    assert facts["supervised"] == 834_000 * 600 and facts["pictures"] == 834_000 * 2
    assert plan.scope.train.anchors == 834_000 * 512
    assert plan.scope.train.patches == 834_000 * 2 * 4000
    assert facts["steps"] == 5 * 834_000 // 16
    assert facts["measuredRows"] is False
    assert facts["cards"][0]["trainHours"] > 0
    # Half the rows take half the time; pictures cost the tower's work.
    half = estimate(PlanJob(target("30b"), None, 8, options, replace(expected, rows=417_000)), [])
    assert plan.timings[0].train == pytest.approx(2 * half.timings[0].train, rel=1e-4)
    blind = estimate(PlanJob(target("30b"), None, 8, options, replace(expected, pictures=0)), [])
    assert blind.work.tower == 0 and blind.timings[0].train < plan.timings[0].train
    assert blind.memory.total < plan.memory.total
    assert "834,000 rows of 3,000 tokens, 600 supervised, 2.0 pictures are expected" in "\n".join(report_lines(plan))
    capped = estimate(PlanJob(target("30b"), None, 8, replace(options, max_train_rows=1600), expected), [])
    assert capped.scope.extent.steps == 500


def test_hours_follow_from_operations(target):
    """By hand: 8 rows of 1,024 tokens on the 8B, 8 blocks of 8 each, no pictures, one process on an H200."""
    options = TrainOptions(max_length=1024, anchors=8, batch_size=8, max_steps=3600, eval_rows=1)
    plan = estimate(PlanJob(target("8b"), None, 1, options), [])
    layers = 33 * 192_937_984 * 2
    attention = 33 * 4 * 4096 * 1024 / 2
    draft = 3 * 2 * 5 * 192_937_984 * 8 * 8 + 4 * 5 * 4096**2 * 1024 + 6 * 5 * 2 * 4096 * 1024 * 1024
    scores = 3.5 * 5 * 4 * 4096 * 8 * 8 * (1024 + 8)
    head = 4 * 56 * 151_936 * 4096
    row = 1024 * (layers + attention) + draft + scores + head
    assert plan.work.total / plan.scope.train.rows == pytest.approx(row, rel=1e-3)
    timing = plan.timings[1]
    step = (8 * row / 750e12 + 1_048_646_656 * 42 / 4.3e12) / SHARE["qwen3_vl"]
    assert timing.card.name == "H200"
    assert timing.train == pytest.approx(step, rel=0.01)
    two = estimate(PlanJob(target("8b"), None, 2, options), []).timings[1]
    assert two.rows == pytest.approx(2 * SCALING * timing.rows)


def test_memory_of_the_30b(target):
    shape = read_shape(target("30b"))
    kept = target_parameters(shape.text, shape.tower, 45)
    plan = estimate(PlanJob(target("30b"), None, 1, TrainOptions()), [])
    parts = training_memory(shape, kept, plan.config, Pack(11_200, 1600, 28_160)).parts
    # 58.6 GB of weights on each rank, as was measured.
    weights = sum(parts[name] for name in ("target layers", "vision tower", "embedding", "lm_head"))
    assert weights / 1e9 == pytest.approx(58.6, rel=0.005)
    assert parts["draft masters"] + parts["draft moments"] + parts["draft gradients"] == 16 * plan.draft
    assert parts["captured states"] == 11_200 * 5 * 2048 * 2


def test_a_target_that_does_not_fit_is_sharded(target):
    h100 = KNOWN[0]
    wide = TrainOptions(batch_size=8, max_length=4096)
    alone = estimate(PlanJob(target("30b"), None, 1, wide), [h100])
    assert alone.memory.parts["gathered layers"] == 0
    small = Card("a card of 48 GiB", 48 * 2**30)
    four = estimate(PlanJob(target("30b"), None, 4, wide), [small])
    layers = alone.memory.parts["target layers"]
    assert four.memory.parts["target layers"] == layers // 4
    assert four.memory.parts["gathered layers"] == pytest.approx(4 * layers / 45, rel=1e-6)
    assert four.refusal is None
    whole = estimate(PlanJob(target("30b"), None, 4, replace(wide, shard_target=False)), [small])
    assert whole.refusal is not None and whole.memory == alone.memory
    assert estimate(PlanJob(target("30b"), None, 1, wide), [small]).refusal is not None
    roomy = PlanJob(target("30b"), None, 4, wide)
    assert estimate(roomy, [KNOWN[1]]).memory == alone.memory
    asked = PlanJob(target("30b"), None, 4, replace(wide, shard_target=True))
    assert estimate(asked, [KNOWN[1]]).memory == four.memory


def test_training_decides_as_its_plan(target_dirs, shards):
    options = TrainOptions(draft=DraftOptions(mask_token_id=510))
    job = PlanJob(target_dirs["qwen3_vl"], shards, 2, options)
    plan = estimate(job, [KNOWN[0]])
    corpus = open_corpus(shards, options, plan.config.mask_token_id)

    def decided(card, world=2, **changes):
        changed = replace(options, **changes)
        return decide_sharding(changed, job.target, plan.config, corpus, 2, world, card).shard

    assert decided(plan.memory.total) is False and decided(plan.memory.total - 1) is True
    assert decided(1, world=1) is False and decided(None) is False
    assert decided(1, shard_target=False) is False and decided(None, shard_target=True) is True
    with pytest.raises(UserError, match="one process only"):
        decided(1, world=1, shard_target=True)


def test_logits_are_those_that_the_head_makes():
    assert 2 * LOGITS_BUDGET["cuda"] == LOGITS_BYTES


def test_packs_and_passes_bound_the_memory(target):
    large = TrainOptions(batch_size=64, max_length=4096, anchors=512)
    plan = estimate(PlanJob(target("8b"), None, 1, large), [])
    assert plan.scope.pack == Pack(16_384, 1024, 0)
    smaller = replace(large, pack_tokens=4096, draft_tokens=2048)
    halved = estimate(PlanJob(target("8b"), None, 1, smaller), [])
    assert halved.scope.pack == Pack(4096, 256, 0)
    assert halved.memory.parts["activations"] < 0.5 * plan.memory.parts["activations"]


def test_what_cannot_fit_is_refused(target):
    h100 = KNOWN[0]
    fits = PlanJob(target("30b"), None, 1, TrainOptions(batch_size=4))
    assert estimate(fits, [h100]).refusal is None
    small = estimate(fits, [Card("NVIDIA A100-SXM4-40GB", 40 * 2**30)])
    assert "A100" in small.refusal.message and "40.0" in small.refusal.message
    assert "the target's weights alone take 54.4 GiB" in small.refusal.hint
    assert "its rates are not known" in "\n".join(report_lines(small))
    on_cpu = PlanJob(target("30b"), None, 1, TrainOptions(device="cpu"))
    assert estimate(on_cpu, [Card("tiny", 2**30)]).refusal is None


@pytest.mark.parametrize("room", [41, 39, 37])
def test_the_advised_passes_fit(target, room):
    card = Card("some", room * 2**30)
    options = TrainOptions(batch_size=8, max_length=2048)
    refused = estimate(PlanJob(target("8b"), None, 1, options), [card])
    words = refused.refusal.hint.split()
    pack_tokens, draft_tokens = int(words[1]), int(words[4])
    assert pack_tokens == 2 * draft_tokens < 16_384

    def refusal(factor: int):
        changed = replace(options, pack_tokens=factor * pack_tokens, draft_tokens=factor * draft_tokens)
        return estimate(PlanJob(target("8b"), None, 1, changed), [card]).refusal

    assert refusal(1) is None
    assert refusal(2) is not None


def test_advice_where_no_pass_is_small_enough(target):
    refused = estimate(PlanJob(target("8b"), None, 1, TrainOptions()), [Card("some", 30 * 2**30)]).refusal
    assert refused.hint == "lower draft.layers, draft.intermediateSize or maxLength"


def test_no_known_card_holds_it(target):
    config = real_config("30b")
    config["text_config"]["num_experts"] = 512
    directory = target("30b")
    (directory / "config.json").write_text(json.dumps(config), "utf-8")
    assert "H200" in estimate(PlanJob(directory, None, 1, TrainOptions()), []).refusal.message


LISTING = """0, GPU-1a, 81559, NVIDIA H100 80GB HBM3
1, GPU-2b, 143771, NVIDIA H200
2, GPU-3c, 18000, NVIDIA H200 MIG 1g.18gb
3, GPU-4d, [N/A], NVIDIA L4
"""


def test_cards_as_the_driver_lists_them():
    found = read_cards(LISTING)
    assert [card.matrix is not None for card in found] == [True, True, False]
    assert found[0].memory == 81_559 * 2**20


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("", []),
        ("1", ["NVIDIA H200"]),
        ("GPU-1a", ["NVIDIA H100 80GB HBM3"]),
        ("0, GPU-2b", ["H100", "H200"]),
        ("9", []),
    ],
)
def test_only_cards_that_cuda_shows_count(visible, names):
    found = read_cards(LISTING, visible)
    assert len(found) == len(names)
    assert all(name in card.name for name, card in zip(names, found, strict=True))


def test_a_damaged_config_is_named(target):
    directory = target("9b")
    config = real_config("9b")
    config["text_config"]["layer_types"] = ["full_attention"] * 3
    (directory / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(UserError, match=r"config\.json") as error:
        estimate(PlanJob(directory, None, 1, TrainOptions()), [])
    assert error.value.code == "target-config"


def test_the_job_imports_no_torch(tmp_path, target_dirs, shards):
    job = write_job(
        tmp_path / "job.json",
        target=target_dirs["qwen3_vl"],
        shards=shards,
        world=1,
        options={"draft": {"maskTokenId": 510}, "device": "cpu"},
    )
    code = "import sys; from draftsmith_trainer.__main__ import main; code = main(sys.argv[1:]);"
    code += "print('torch' in sys.modules, file=sys.stderr); sys.exit(code)"
    command = [sys.executable, "-c", code, "plan", "--config", str(job)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().endswith("False")
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["type"] == "result" and result["facts"]["refusal"] is None
    assert any("operations: " in line for line in result["facts"]["lines"])
    assert result["counts"]["kept"] == 9
