"""Every check that an exported draft must pass, in order; the first that fails ends the export."""

from __future__ import annotations

from torch import Tensor

from ..algorithms.contract import keys_problem, rotary_problem, served_checks
from ..algorithms.document import document_problems
from ..algorithms.settings import config_json
from ..algorithms.store import weights_problem
from ..base.errors import UserError
from ..draft.config import DraftConfig, Problem
from ..target.spec import TargetSpec


def check_export(
    config: DraftConfig, tensors: dict[str, Tensor], spec: TargetSpec, allow_rotary: list[str]
) -> list[str]:
    """Runs every check; returns their names.

    Raises:
        UserError: ``export-<name of the check>``, at the first that fails.
    """
    checks = served_checks(config)
    for name, check in checks:
        _raise(name, check(config, spec))
    _raise("rotary", rotary_problem(config, allow_rotary), "list it in allowRotary to export it anyway")
    _raise("keys", keys_problem(config))
    _raise("document", next(iter(document_problems(config_json(config))), None))
    _raise("weights", weights_problem(config, tensors))
    return list(dict.fromkeys([*(name for name, _ in checks), "rotary", "keys", "document", "weights"]))


def _raise(name: str, problem: Problem | str | None, hint: str | None = None) -> None:
    if problem:
        message = problem.sentence if isinstance(problem, Problem) else problem
        raise UserError(f"export-{name}", message, hint, toolkit_code="VALIDATION_FAILED")
