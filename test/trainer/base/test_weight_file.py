"""Files that bear the name of weights and are none: each is told by what it is, from its first bytes and its size."""

import json

import pytest
import torch
from draftsmith_trainer.base.weight_file import tensor_names, weight_file_problem
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.torch import save, save_file

TENSORS = {"a.weight": torch.arange(600, dtype=torch.float32).view(20, 30), "b": torch.ones(7, dtype=torch.bfloat16)}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4e" * 32 + b"\nsize 4966189432\n"


@pytest.fixture
def path(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors", metadata={"format": "pt"})
    return tmp_path / "model.safetensors"


def test_a_whole_file_is_fine(path):
    assert weight_file_problem(path) is None
    assert tensor_names(path) == set(TENSORS)
    save_file({}, path)
    assert weight_file_problem(path) is None


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (POINTER, "is a Git LFS pointer of 135 bytes, not the weights (4966189432 bytes)", "git lfs pull"),
        (POINTER[:60], "is a Git LFS pointer of 60 bytes, not the weights", "git lfs pull"),
        (b"", "has 0 bytes: it is empty or was cut short", "download"),
        (b"abc", "has 3 bytes", "download"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "an HTML page: the download failed", "download"),
        (b"PK\x03\x04" + b"\x00" * 40 + b"archive/data.pkl", "a PyTorch pickle, which is not loaded", "download"),
        (b"\x80\x02}q\x00(X\x06\x00\x00\x00weightq", "a PyTorch pickle", "download"),
        ((40).to_bytes(8, "little") + b"no json at all" * 4, "is not a safetensors file", "download"),
        ((40).to_bytes(8, "little") + b"{no json at all" * 4, "its header is not JSON", "download"),
        ((2).to_bytes(8, "little") + b"[]", "is not a safetensors file", "download"),
        ((8).to_bytes(8, "little") + b'{"a":{}}', "no data_offsets", "download"),
    ],
)
def test_other_files_are_named(path, content, message, hint):
    path.write_bytes(content)
    problem = weight_file_problem(path)
    assert str(path) in problem.message and message in problem.message
    assert hint in problem.hint


def test_a_missing_file_a_directory_and_a_longer_file(path):
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 5)
    assert "has 5 extra bytes after its last tensor" in weight_file_problem(path).message
    path.unlink()
    assert "does not exist" in weight_file_problem(path).message
    path.mkdir()
    assert "cannot be read" in weight_file_problem(path).message


@given(st.integers(0, len(save(TENSORS)) - 1))
def test_a_cut_at_any_byte_is_noticed(tmp_path_factory, cut):
    path = tmp_path_factory.getbasetemp() / "cut.safetensors"
    path.write_bytes(save(TENSORS)[:cut])
    assert weight_file_problem(path) is not None
    with pytest.raises((SafetensorError, OSError)), safe_open(path, framework="pt") as file:
        file.keys()


def test_headers_with_odd_entries(path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": None}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert "no data_offsets" in weight_file_problem(path).message
