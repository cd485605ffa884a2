"""Every code that the sources raise is in the table, and every entry of the table is raised somewhere."""

import ast
from pathlib import Path

import pytest
from draftsmith_trainer.base.error_codes import TOOLKIT_CODES, ToolkitCode
from draftsmith_trainer.base.errors import UserError

TRAINER = Path(__file__).parents[3] / "src" / "trainer"
#: Codes that are put together from ``what`` ("image", "video").
BUILT = {"image-grid", "video-grid", "image-tokens", "video-tokens"}


def raised():
    for package in ("draftsmith_trainer", "reference_server", "tiny_gui"):
        for path in (TRAINER / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserError":
                    yield path, node


def test_the_table_is_complete_and_holds_nothing_else():
    literal = {node.args[0].value for _, node in raised() if isinstance(node.args[0], ast.Constant)}
    assert literal | BUILT == set(TOOLKIT_CODES)
    assert set(TOOLKIT_CODES.values()) <= set(ToolkitCode.__args__)


def test_codes_put_together_are_known():
    built = [(path.name, ast.unparse(node)) for path, node in raised() if not isinstance(node.args[0], ast.Constant)]
    for name, call in built:
        # A picture worker hands on what it caught; fields are read under the code of their file.
        known = "toolkit_code=" in call or "{what}-" in call or call == "UserError(*error)" or "self._code" in call
        assert known, f"{name}: {call}"


def test_a_code_outside_the_table_is_a_bug():
    with pytest.raises(KeyError):
        UserError("unheard-of", "message")
    assert UserError("export-anything", "message", toolkit_code="VALIDATION_FAILED").toolkit_code == "VALIDATION_FAILED"
