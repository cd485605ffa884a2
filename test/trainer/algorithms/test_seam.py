"""An algorithm of the test alone is trained, measured, served and exported without a change anywhere else."""

import io
import json
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from draft_maker import small_config
from draftsmith_trainer.algorithms.algorithm import Algorithm, ExportContract
from draftsmith_trainer.algorithms.contract import keys_problem
from draftsmith_trainer.algorithms.drafts import new_draft
from draftsmith_trainer.algorithms.plain.plain import Plain
from draftsmith_trainer.algorithms.registry import ALGORITHMS, algorithm_of
from draftsmith_trainer.algorithms.settings import SETTINGS, config_in, config_json
from draftsmith_trainer.algorithms.store import load_draft
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.draft.config import AlgorithmConfig, Problem
from draftsmith_trainer.draft.tensors import backbone_tensors
from draftsmith_trainer.jobs import evaluate, export, train
from job_runner import write_job
from safetensors.torch import load_file
from sample import write_shards
from torch import nn

RANK = 3


@dataclass(frozen=True)
class ChainConfig(AlgorithmConfig):
    """The rank of the table that says what follows a token."""

    name: ClassVar[str] = "chain"
    architecture: ClassVar[str] = "ChainDraftModel"
    rank: int = RANK

    @classmethod
    def new(cls, _options):
        return cls()

    @classmethod
    def read_keys(cls, document):
        return cls(document["dflash_config"]["chain_rank"])

    def write_keys(self, document):
        document["dflash_config"]["chain_rank"] = self.rank


class Chain(Algorithm):
    """logits_k = lm_head h_k + W2 W1[token before]: proposals depend on the anchor, and training teaches W1 and W2."""

    name = "chain"
    contract = ExportContract(
        keys=("dflash_config.chain_rank",),
        tensors=lambda c: {
            **backbone_tensors(c),
            "chain.before.weight": (c.vocab_size, RANK),
            "chain.after.weight": (c.vocab_size, RANK),
        },
        checks=(("chain-rank", lambda c, _: None if c.algorithm.rank < 9 else Problem("chain_rank", "is 9 or more")),),
    )

    def build(self, config):
        draft = super().build(config)
        table = {"before": nn.Embedding(config.vocab_size, RANK), "after": nn.Linear(RANK, config.vocab_size, False)}
        draft.chain = nn.ModuleDict(table)
        return draft

    def loss(self, draft, outputs, rule):
        plain = Plain().loss(draft, outputs, rule)
        batch = outputs.batch
        before = batch.ids[batch.places // batch.block_size, 0]
        logits = draft.chain["after"](draft.chain["before"](before))
        extra = torch.nn.functional.cross_entropy(logits, batch.labels, reduction="sum")
        return replace(plain, total=plain.total + 5 * extra)

    def propose(self, draft, hidden, anchor_ids, lm_head):
        with torch.no_grad():
            follow = draft.chain["after"](draft.chain["before"](anchor_ids))
            return (hidden[..., 1:, :] @ lm_head.T + follow[..., None, :]).argmax(-1)


@pytest.fixture
def _chain(monkeypatch):
    monkeypatch.setitem(ALGORITHMS, "chain", Chain())
    monkeypatch.setitem(SETTINGS, "chain", ChainConfig)


def run(module, path, **job):
    out = io.StringIO()
    module.run(write_job(path, **job), Events(out))
    return json.loads(out.getvalue().splitlines()[-1])


@pytest.mark.usefixtures("_chain")
def test_another_algorithm_is_trained_measured_served_and_exported(tmp_path, target_dirs):
    shards, target = write_shards(tmp_path / "shards", train=4, heldout=2), target_dirs["qwen3_vl"]
    geometry = {"layers": 1, "blockSize": 4, "intermediateSize": 64, "maskTokenId": 510, "head": "chain"}
    options = {"draft": geometry, "epochs": 3, "anchors": 6, "lr": 0.01, "device": "cpu", "threads": 1}
    kept = tmp_path / "kept"
    run(
        train,
        tmp_path / "t.json",
        target=target,
        shards=shards,
        workDir=kept,
        resumeDir=tmp_path / "r",
        options=options,
    )
    result = run(export, tmp_path / "x.json", target=target, checkpoints=kept, workDir=tmp_path / "out")
    assert "chain-rank" in result["facts"]["checks"]
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    assert written["architectures"] == ["ChainDraftModel"] and written["dflash_config"]["chain_rank"] == RANK
    fresh, learned = load_file(kept / "untrained/model.safetensors"), load_file(tmp_path / "out/model.safetensors")
    assert not torch.equal(fresh["chain.after.weight"], learned["chain.after.weight"].float())

    job = {"target": target, "shards": shards, "drafts": {"trained": str(tmp_path / "out")}}
    facts = run(evaluate, tmp_path / "e.json", **job, workDir=tmp_path / "e", options={"compareRows": None})["facts"]
    assert facts["stepsAgree"], "the offline walk and the reference server's loop ask the same proposals"

    draft = load_draft(tmp_path / "out")
    hidden = torch.zeros(2, 4, draft.config.hidden_size)
    said = algorithm_of(draft.config).propose(draft, hidden, torch.tensor([1, 7]), torch.zeros(512, 64))
    assert not torch.equal(said[0], said[1])


@pytest.mark.usefixtures("_chain")
def test_the_config_of_an_algorithm_survives():
    config = small_config(algorithm=ChainConfig(5))
    assert config_in(json.loads(json.dumps(config_json(config)))) == config
    assert "chain_rank" not in json.dumps(config_json(small_config()))


@pytest.mark.usefixtures("_chain")
def test_a_key_that_engines_need_is_missed(monkeypatch):
    monkeypatch.setattr(ChainConfig, "write_keys", lambda *_: None)
    assert "dflash_config.chain_rank" in keys_problem(small_config(algorithm=ChainConfig()))
    assert keys_problem(small_config()) is None


def test_foreign_architectures_and_old_configs():
    document = config_json(small_config())
    assert config_in({**document, "draftsmith_head": "plain"}) == small_config()
    assert config_in({key: value for key, value in document.items() if key != "architectures"}) == small_config()
    with pytest.raises(UserError, match="ChainDraftModel") as error:
        config_in({**document, "architectures": ["ChainDraftModel"]})
    assert error.value.code == "draft-config" and "DFlashDraftModel" in error.value.hint
    with pytest.raises(UserError, match="markov"):
        config_in({**document, "draftsmith_head": "markov"})


@pytest.mark.parametrize("changes", [{}, {"attention_bias": True}, {"num_hidden_layers": 3, "head_dim": 8}])
def test_the_contract_lists_the_modules_own_tensors(changes):
    config = small_config(**changes)
    assert list(ALGORITHMS) == list(SETTINGS)
    for name, algorithm in ALGORITHMS.items():
        assert name == algorithm.name == SETTINGS[name].name
        listed = algorithm.contract.tensors(config)
        assert {k: tuple(v.shape) for k, v in new_draft(config, 0).state_dict().items()} == listed
