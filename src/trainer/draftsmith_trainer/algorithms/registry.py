"""The known algorithms, by name and by the architecture that their drafts carry."""

from __future__ import annotations

from typing import Any

from ..base.errors import UserError
from ..draft.config import DraftConfig
from .algorithm import Algorithm
from .plain import Plain

ALGORITHMS: dict[str, Algorithm[Any]] = {algorithm.name: algorithm for algorithm in (Plain(),)}


def algorithm_named(name: str) -> Algorithm[Any]:
    """The algorithm of this name.

    Raises:
        UserError: ``unknown-head``.
    """
    if name not in ALGORITHMS:
        known = ", ".join(ALGORITHMS)
        raise UserError("unknown-head", f"draft.head: no draft head is named {name!r}", f"known heads: {known}")
    return ALGORITHMS[name]


def algorithm_of(config: DraftConfig) -> Algorithm[Any]:
    """The algorithm that a draft of this config belongs to."""
    return ALGORITHMS[config.algorithm.name]


def algorithm_in(document: dict[str, Any]) -> Algorithm[Any]:
    """The algorithm that a config.json names by its architecture; plain when it names none.

    Raises:
        UserError: ``draft-config`` for an architecture that no algorithm here writes.
    """
    if "draftsmith_head" in document:  # written by early versions
        return algorithm_named(str(document["draftsmith_head"]))
    found = document.get("architectures") or [Plain.contract.architecture]
    for algorithm in ALGORITHMS.values():
        if algorithm.contract.architecture in found:
            return algorithm
    known = ", ".join(algorithm.contract.architecture for algorithm in ALGORITHMS.values())
    raise UserError("draft-config", f"the draft's architecture is {', '.join(map(str, found))}", f"known: {known}")
