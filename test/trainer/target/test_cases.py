"""What a snapshot's files mean: the cases that test/model/target-cases.test.ts holds the toolkit to as well."""

import json
import shutil
from pathlib import Path

import pytest
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.target.spec import mask_token_id, read_spec

ROOT = Path(__file__).parents[3]
CASES = json.loads((ROOT / "test" / "model" / "target-cases.json").read_text("utf-8"))


@pytest.fixture
def directory(tmp_path):
    ignored = shutil.ignore_patterns("*.safetensors")
    return shutil.copytree(ROOT / "fixtures" / "tiny-gui", tmp_path / "target", ignore=ignored)


def merged(value, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    made = dict(value) if isinstance(value, dict) else {}
    for key, change in patch.items():
        if change is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key), change)
    return made


def change(directory, case):
    for name, patch in case.get("changes", {}).items():
        path = directory / name
        if patch is None:
            path.unlink()
        else:
            path.write_text(json.dumps(merged(json.loads(path.read_text("utf-8")), patch)), "utf-8")
    path = directory / "tokenizer.json"
    tokenizer = json.loads(path.read_text("utf-8"))
    for content in case.get("addedTokens", ()):
        tokenizer["added_tokens"].append({"id": tokenizer["added_tokens"][-1]["id"] + 1, "content": content})
    path.write_text(json.dumps(tokenizer), "utf-8")


def mask_of(spec):
    try:
        return mask_token_id(spec)
    except UserError as error:
        assert error.code == "mask-token" and "maskTokenId" in error.hint
        return None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(directory, case):
    change(directory, case)
    if "error" in case:
        with pytest.raises(UserError) as error:
            read_spec(directory)
        assert error.value.code == "target-config" and error.value.toolkit_code == "MODEL_INVALID"
        for part in case["error"]:
            assert part in error.value.message
        return
    spec = read_spec(directory)
    assert case["facts"] == {
        "modelType": spec.model_type,
        "layers": spec.num_layers,
        "hiddenSize": spec.hidden_size,
        "heads": spec.heads,
        "kvHeads": spec.kv_heads,
        "headDim": spec.head_dim,
        "vocabSize": spec.vocab_size,
        "ropeTheta": spec.rope_theta,
        "partialRotaryFactor": spec.partial_rotary_factor,
        "mropeSection": None if spec.mrope_section is None else list(spec.mrope_section),
        "maxPositions": spec.max_position_embeddings,
        "rmsNormEps": spec.rms_norm_eps,
        "tied": spec.tied,
        "imageTokenId": spec.image_token_id,
        "videoTokenId": spec.video_token_id,
        "mergeSize": spec.spatial_merge_size,
        "bosTokenId": spec.bos_token_id,
        "eosTokenId": spec.eos_token_id,
        "maskTokenId": mask_of(spec),
        "notes": len(spec.notes),
    }
