"""Whether a draft can be used with a target at all. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable

from ..target.spec import TargetSpec
from .config import DraftConfig, Problem

#: Why a draft does not fit a target, by the key of config.json; None when it does.
Check = Callable[[DraftConfig, TargetSpec], Problem | None]


def fit_problem(config: DraftConfig, spec: TargetSpec) -> str | None:
    """Why a draft cannot be used with a target at all, as a sentence; None when it can."""
    return next((problem.sentence for _, check in FIT if (problem := check(config, spec))), None)


def _hidden_size(config: DraftConfig, spec: TargetSpec) -> Problem | None:
    if config.hidden_size == spec.hidden_size:
        return None
    return Problem("hidden_size", f"is {config.hidden_size}, the target's {spec.hidden_size}: they share the embedding")


def _vocabulary(config: DraftConfig, spec: TargetSpec) -> Problem | None:
    if config.vocab_size == spec.vocab_size:
        return None
    return Problem("vocab_size", f"is {config.vocab_size}, but the target's is {spec.vocab_size}")


def _depth(config: DraftConfig, spec: TargetSpec) -> Problem | None:
    if config.num_target_layers == spec.num_layers:
        return None
    return Problem("num_target_layers", f"is {config.num_target_layers}, but the target has {spec.num_layers}")


#: (name, check)
FIT: tuple[tuple[str, Check], ...] = (
    ("hidden-size", _hidden_size),
    ("vocabulary", _vocabulary),
    ("layers", _depth),
)
