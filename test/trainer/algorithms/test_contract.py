"""The verdicts on drafts' config.json are those of TypeScript's ``draftProblems``: one file of cases for both."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from draftsmith_trainer.algorithms.contract import served_problems
from draftsmith_trainer.algorithms.settings import SETTINGS
from draftsmith_trainer.target.spec import read_spec

ROOT = Path(__file__).parents[3]
GOLDEN = json.loads((ROOT / "test" / "contract" / "draft-configs.json").read_text("utf-8"))
#: Python's names of a target's properties.
SPEC_FIELDS = {
    "modelType": "model_type",
    "layers": "num_layers",
    "hiddenSize": "hidden_size",
    "vocabSize": "vocab_size",
    "maxPositions": "max_position_embeddings",
}


def document_of(case):
    """The default draft with the case's changes."""
    document = copy.deepcopy(GOLDEN["draft"])
    for path, value in case.get("set", {}).items():
        *outer, last = path.split(".")
        place = document
        for key in outer:
            place = place[key]
        place[last] = value
    for path in case.get("remove", []):
        *outer, last = path.split(".")
        place = document
        for key in outer:
            place = place[key]
        place.pop(last, None)
    return document


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_the_same_keys_are_found_as_in_typescript(case, tmp_path):
    vocabulary = {**GOLDEN["tokenizer"], **case.get("tokenizer", {})}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}))
    target = {SPEC_FIELDS[key]: value for key, value in {**GOLDEN["target"], **case.get("target", {})}.items()}
    spec = replace(read_spec(ROOT / "fixtures" / "tiny-gui"), directory=tmp_path, **target)
    problems = served_problems(document_of(case), spec)
    found = sorted({problem.key for problem in problems})
    wanted = sorted({*case["errors"], *case.get("warnings", [])})
    assert found == wanted, [one.sentence for one in problems]


def test_both_sides_know_the_same_architectures():
    assert [kind.architecture for kind in SETTINGS.values()] == GOLDEN["architectures"]
