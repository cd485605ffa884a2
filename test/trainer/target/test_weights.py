"""A target whose weight files are not what they should be ends every job at once, with the file's name."""

import io
import json
import shutil
import time

import pytest
import torch
from draft_maker import lively_draft, small_config
from draftsmith_trainer.algorithms.store import save_draft
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.base.events import Events
from draftsmith_trainer.jobs import evaluate, train
from draftsmith_trainer.target.weights import check_weights, weight_files
from job_runner import write_job
from reference_server.decode.decoder import Decoder
from safetensors.torch import load_file, save_file
from sample import write_shards

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 1234567\n"


@pytest.fixture
def target(tmp_path, target_dirs):
    return shutil.copytree(target_dirs["qwen3_vl"], tmp_path / "target")


def pointer(directory):
    (directory / "model.safetensors").write_bytes(POINTER)


def cut(directory):
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pickled(directory):
    torch.save({"x": torch.ones(2)}, directory / "model.safetensors")


def none(directory):
    (directory / "model.safetensors").unlink()
    (directory / "pytorch_model.bin").write_bytes(b"PK")


def quantised(directory):
    path = directory / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "quantization_config": {"quant_method": "awq", "bits": 4}}))


FAULTS = {
    pointer: ("model.safetensors is a Git LFS pointer", "git lfs pull"),
    cut: ("model.safetensors is cut short: it has", "download"),
    pickled: ("model.safetensors is not a safetensors file but a PyTorch pickle", "download"),
    none: (
        "neither model.safetensors nor model.safetensors.index.json exists (pytorch_model.bin is not read",
        "download",
    ),
    quantised: ("config.json: quantization_config.quant_method is 'awq'; only 'fp8' can be read", "bf16 snapshot"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_every_way_in_says_so(tmp_path, target, fault):
    draft = tmp_path / "draft"
    save_draft(lively_draft(small_config()), draft)
    shards = write_shards(tmp_path / "shards", train=1, heldout=1)
    fault(target)
    common = {"target": target, "shards": shards, "workDir": tmp_path / "work"}
    options = {"draft": {"maskTokenId": 510}, "device": "cpu"}
    jobs = {
        "train": (train, {**common, "resumeDir": tmp_path / "resume", "options": options}),
        "evaluate": (evaluate, {**common, "drafts": {"trained": str(draft)}}),
    }
    ways = [lambda: Decoder.load(target)]
    for name, (job, content) in jobs.items():
        path = write_job(tmp_path / f"{name}.json", **content)
        ways.append(lambda job=job, path=path: job.run(path, Events(io.StringIO())))
    for way in ways:
        began = time.monotonic()
        with pytest.raises(UserError) as error:
            way()
        message, hint = FAULTS[fault]
        assert error.value.toolkit_code == "MODEL_INVALID"
        assert str(target) in error.value.message and message in error.value.message
        assert hint in error.value.hint
        assert time.monotonic() - began < 60
    assert not (tmp_path / "work").exists() and not (tmp_path / "resume").exists()


def shard(directory):
    """The target's weights in two files with an index."""
    tensors = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for name, held in parts.items():
        save_file({key: tensors[key] for key in held}, directory / name)
    weight_map = {key: name for name, held in parts.items() for key in held}
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return weight_map


def test_shards_are_looked_at_one_by_one(target):
    weight_map = shard(target)
    check_weights(target)
    assert [path.name[6:11] for path in weight_files(target)] == ["00001", "00002"]
    second = target / "model-00002-of-00002.safetensors"
    whole = second.read_bytes()
    for content, message in ((POINTER, "is a Git LFS pointer"), (whole[:-4], "is cut short"), (None, "does not exist")):
        second.unlink() if content is None else second.write_bytes(content)
        with pytest.raises(UserError, match=f"model-00002-of-00002.safetensors {message}"):
            check_weights(target)
    lost = next(key for key, name in weight_map.items() if name == second.name)
    save_file({"other": torch.ones(1)}, second)
    with pytest.raises(UserError, match="has no tensor") as error:
        check_weights(target)
    assert lost in error.value.message and "different snapshots" in error.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a weight index"),
        ("[]", "is not a weight index"),
        ('{"weight_map": []}', "is not a weight index"),
        ('{"weight_map": {"a": "../../etc/passwd"}}', "not a file name in its directory"),
        (POINTER.decode(), "is not a weight index"),
    ],
)
def test_an_index_that_is_none(target, text, message):
    shard(target)
    (target / "model.safetensors.index.json").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        check_weights(target)
    assert error.value.code == "target-weights"


def test_a_drafts_weights_too(tmp_path):
    from draftsmith_trainer.algorithms.store import load_draft

    save_draft(lively_draft(small_config()), tmp_path)
    pointer(tmp_path)
    with pytest.raises(UserError, match="is a Git LFS pointer") as error:
        load_draft(tmp_path)
    assert error.value.toolkit_code == "ARTIFACT_INVALID" and "git lfs pull" in error.value.hint
