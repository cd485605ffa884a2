"""Which release of which engine serves a draft, and that export says it."""

import io
import json

import pytest
from draft_maker import lively_draft, small_config
from draftsmith_trainer.algorithms.engines import EXAMINED, verdicts
from draftsmith_trainer.algorithms.store import save_draft
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.jobs.export import run
from draftsmith_trainer.target import read_spec
from target_maker import MODEL_TYPES

PARTIAL = {"rotary": "partial", "partial_rotary_factor": 0.5}
SECTIONS = {"qwen3_vl": (4, 2, 2), "qwen3_vl_moe": (4, 2, 2), "qwen3_5": (2, 1, 1), "qwen3_5_moe": (2, 1, 1)}


def mrope(kind):
    factor = 0.5 if kind.startswith("qwen3_5") else 1.0
    return {"rotary": "mrope", "partial_rotary_factor": factor, "mrope_section": SECTIONS[kind]}


def served(config, spec):
    return {
        f"{one.engine} {one.versions}": one.problem is None or one.problem.split(":")[0]
        for one in verdicts(config, spec)
    }


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_plain_drafts(target_dirs, kind):
    found = served(small_config(), read_spec(target_dirs[kind]))
    if kind == "qwen3_vl":
        assert "set_dflash_layers_to_capture" in str(found.pop("SGLang 0.5.13 to 0.5.23"))
        assert found == {"vLLM 0.33.0": True}
    else:
        assert found == {"SGLang 0.5.13 to 0.5.23": True, "vLLM 0.33.0": True}


@pytest.mark.parametrize("kind", ["qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"])
def test_partial_drafts_are_served_from_a_release_on(target_dirs, kind):
    found = served(small_config(**PARTIAL), read_spec(target_dirs[kind]))
    assert "rotates the whole head" in str(found.pop("SGLang 0.5.13 to 0.5.18"))
    assert found == {"SGLang 0.5.20 to 0.5.23": True, "vLLM 0.33.0": True}


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_no_engine_serves_mrope(target_dirs, kind):
    found = verdicts(small_config(**mrope(kind)), read_spec(target_dirs[kind]))
    assert {one.engine for one in found} == set(EXAMINED)
    assert all(one.problem is not None for one in found)


def test_a_window_needs_a_release_that_reads_it(target_dirs):
    config = small_config(layer_types=("full_attention", "sliding_attention"), sliding_window=9)
    found = served(config, read_spec(target_dirs["qwen3_5"]))
    assert "ignores layer_types" in str(found["SGLang 0.5.13"]) and found["SGLang 0.5.17 to 0.5.23"] is True


@pytest.mark.parametrize("kind", MODEL_TYPES)
@pytest.mark.parametrize("mode", ["plain", "partial", "mrope"])
def test_export_says_it(tmp_path, target_dirs, kind, mode):
    changes = {"plain": {}, "partial": PARTIAL, "mrope": mrope(kind)}[mode]
    config = small_config(max_position_embeddings=2048, **changes)
    save_draft(lively_draft(config), tmp_path / "in" / "checkpoints" / "step-00000007")
    best = {"path": "checkpoints/step-00000007", "last": {"path": "checkpoints/step-00000007"}}
    (tmp_path / "in" / "best.json").write_text(json.dumps(best))
    job = {"target": str(target_dirs[kind]), "checkpoints": str(tmp_path / "in"), "workDir": str(tmp_path / "out")}

    def export(**options):
        (tmp_path / "job.json").write_text(json.dumps({**job, "options": options}))
        out = io.StringIO()
        run(tmp_path / "job.json", Events(out))
        return [json.loads(line) for line in out.getvalue().splitlines()]

    if mode != "plain":
        with pytest.raises(UserError) as error:
            export()
        assert error.value.code == "export-rotary"
        assert ("SGLang >= 0.5.20 and vLLM" if mode == "partial" else "no engine") in error.value.message
    *logs, result = export(allowRotary=[] if mode == "plain" else [mode])
    engines = result["facts"]["engines"]
    assert [log["level"] for log in logs] == ["info" if one["serves"] else "warn" for one in engines]
    for log, one in zip(logs, engines, strict=True):
        assert f"{one['engine']} {one['versions']}" in log["message"]
        assert one["serves"] or one["why"] in log["message"]
