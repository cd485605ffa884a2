"""What each release of an inference engine makes of a draft: whether it serves it with a target, and if not, why.

Facts from the sources of the releases in :data:`EXAMINED`; a release between two of them may do either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from ..draft.config import DraftConfig
from ..target.spec import TargetSpec
from .registry import algorithm_of

#: The releases that were looked at, oldest first.
EXAMINED = {"SGLang": ("0.5.13", "0.5.17", "0.5.18", "0.5.20", "0.5.23"), "vLLM": ("0.33.0",)}


@dataclass(frozen=True)
class Verdict:
    """What consecutive releases of an engine do with a draft.

    Attributes:
        versions: the first and the last examined one, or a single one.
        problem: why they do not serve it, to follow "cannot serve this draft:"; None when they do.
    """

    engine: str
    versions: str
    problem: str | None

    @property
    def sentence(self) -> str:
        """For the user."""
        name = f"{self.engine} {self.versions}"
        return (
            f"{name} serves this draft" if self.problem is None else f"{name} cannot serve this draft: {self.problem}"
        )


def verdicts(config: DraftConfig, spec: TargetSpec) -> list[Verdict]:
    """Every examined release's verdict, equal neighbours joined."""
    made: list[Verdict] = []
    for engine, releases in EXAMINED.items():
        found = [(release, _problem(engine, release, config, spec)) for release in releases]
        for problem, group in groupby(found, key=lambda pair: pair[1]):
            names = [release for release, _ in group]
            versions = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
            made.append(Verdict(engine, versions, problem))
    return made


def _problem(engine: str, release: str, config: DraftConfig, spec: TargetSpec) -> str | None:
    since = algorithm_of(config).contract.since.get(engine)
    if since is None:
        return f"it has no {config.algorithm.architecture}"
    if _number(release) < _number(since):
        return f"it has no {config.algorithm.architecture}, which came with {since}"
    problem: Callable[[str, DraftConfig, TargetSpec], str | None] = _PROBLEMS[engine]
    return problem(release, config, spec)


def _sglang(release: str, config: DraftConfig, spec: TargetSpec) -> str | None:
    number = _number(release)
    if spec.model_type == "qwen3_vl":
        return (
            "with a dense Qwen3-VL it ends at the start (set_dflash_layers_to_capture calls a method that the text "
            "model does not have); a patched copy is needed"
        )
    if config.rotary == "mrope":
        return "it gives the draft 1-D positions and ignores mrope_section"
    if config.rotary == "partial" and number < _number("0.5.20"):
        return "it rotates the whole head, whatever partial_rotary_factor says"
    if "sliding_attention" in config.layer_types and number < _number("0.5.17"):
        return "it ignores layer_types, and so the sliding window"
    return None


def _vllm(_release: str, config: DraftConfig, _spec: TargetSpec) -> str | None:
    if config.rotary == "mrope":
        return "its runners refuse mrope_section in a draft, or ignore it"
    return None


_PROBLEMS = {"SGLang": _sglang, "vLLM": _vllm}


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))
