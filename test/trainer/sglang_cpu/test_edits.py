"""Edits of installed files: applied where they fit, refused as a whole where one of them does not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

SGLANG_CPU = Path(__file__).resolve().parents[3] / "src" / "trainer" / "sglang_cpu"


def load(name: str) -> ModuleType:
    """A module of that directory: scripts beside each other, no package."""
    spec = importlib.util.spec_from_file_location(name, SGLANG_CPU / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


edits = load("edits")
patches = load("patches")


def edit(**fields: str) -> object:
    return edits.Edit(**{"file": "a.py", "why": "try it", "expect": "old", "replace": "new", **fields})


def test_replaces_the_one_occurrence() -> None:
    assert edit().apply("before old after") == "before new after"


@pytest.mark.parametrize(("source", "found"), [("nothing here", 0), ("old and old", 2)])
def test_refuses_a_file_it_was_not_written_for(source: str, found: int) -> None:
    with pytest.raises(edits.EditError, match=rf"a\.py: expected 'old' once, found {found}; .* try it"):
        edit().apply(source)


def test_looks_only_behind_the_place_it_names() -> None:
    source = "def f():\n    old\ndef g():\n    old\ndef h():\n    old\n"
    assert edit(within="def g(").apply(source) == "def f():\n    old\ndef g():\n    new\ndef h():\n    old\n"


@pytest.mark.parametrize("source", ["old", "def g(): 1\ndef g(): old", "old\ndef g(): 1"])
def test_refuses_a_place_that_is_missing_or_not_unique_or_too_late(source: str) -> None:
    with pytest.raises(edits.EditError):
        edit(within="def g(").apply(source)


@given(st.text("ab\n ", max_size=30), st.text("ab\n ", max_size=30))
def test_changes_nothing_around(head: str, tail: str) -> None:
    assert edit().apply(f"{head}old{tail}") == f"{head}new{tail}"


def test_applies_several_edits_of_one_file_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("old", encoding="utf-8")
    edits.apply_all(tmp_path, [edit(), edit(expect="new", replace="newest")])
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == "newest"


@pytest.mark.parametrize("misfit", [{"expect": "absent"}, {"file": "missing.py"}])
def test_leaves_the_package_as_it_was_when_one_edit_does_not_fit(tmp_path: Path, misfit: dict[str, str]) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("old", encoding="utf-8")
    with pytest.raises(edits.EditError):
        edits.apply_all(tmp_path, [edit(), edit(**{"file": "b.py", **misfit})])
    assert [(tmp_path / name).read_text(encoding="utf-8") for name in ("a.py", "b.py")] == ["old", "old"]


def test_refuses_to_apply_twice(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("old", encoding="utf-8")
    edits.apply_all(tmp_path, [edit()])
    with pytest.raises(edits.EditError):
        edits.apply_all(tmp_path, [edit()])


def test_every_patch_changes_its_file_and_says_why() -> None:
    for patch in patches.PATCHES:
        assert patch.expect != patch.replace
        assert patch.why
        assert not Path(patch.file).is_absolute()
        assert patch.file.endswith(".py")
