"""Whether a draft can be used with a target at all. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable

from ..target.spec import TargetSpec
from .config import DraftConfig

#: Describes in a sentence why a draft does not fit a target; None when it does.
Check = Callable[[DraftConfig, TargetSpec], str | None]


def fit_problem(config: DraftConfig, spec: TargetSpec) -> str | None:
    """Why a draft cannot be used with a target at all, as a sentence; None when it can."""
    return next((problem for _, check in FIT if (problem := check(config, spec))), None)


def _hidden_size(config: DraftConfig, spec: TargetSpec) -> str | None:
    if config.hidden_size != spec.hidden_size:
        return f"the draft is {config.hidden_size} wide, the target {spec.hidden_size}: they share the embedding"
    return None


def _vocabulary(config: DraftConfig, spec: TargetSpec) -> str | None:
    if config.vocab_size != spec.vocab_size:
        return f"the draft is for {config.vocab_size} tokens, the target has {spec.vocab_size}"
    return None


def _depth(config: DraftConfig, spec: TargetSpec) -> str | None:
    if config.num_target_layers != spec.num_layers:
        return f"the draft is for a target of {config.num_target_layers} layers, this has {spec.num_layers}"
    return None


#: (name, check)
FIT: tuple[tuple[str, Check], ...] = (
    ("hidden-size", _hidden_size),
    ("vocabulary", _vocabulary),
    ("layers", _depth),
)
