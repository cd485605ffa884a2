"""Assembles a plan: the size of a run, its memory, its duration, and whether it fits."""

from __future__ import annotations

from dataclasses import dataclass

from ..algorithms.settings import new_config
from ..draft.config import DraftConfig
from ..target.spec import TargetSpec, read_spec
from .cards import KNOWN, Card, visible_cards
from .fit import Refusal, refuse, shards_target
from .memory import Memory, training_memory
from .options import PlanJob
from .parameters import TargetParameters, draft_parameters, target_parameters
from .scope import Scope, scope_of
from .shape import read_shape
from .timing import Timing, timing_on
from .work import Work, evaluation_work, layers_run, training_work


@dataclass(frozen=True)
class Estimate:
    """The content of a plan.

    Attributes:
        target: parameters of the full target. kept: those of the truncated one.
        step: operations of one pass over the training rows.
        here: the GPUs of this machine; empty when the run uses the CPU.
        timings: for each GPU model here, then for the other known ones.
    """

    job: PlanJob
    spec: TargetSpec
    config: DraftConfig
    target: TargetParameters
    kept: TargetParameters
    draft: int
    scope: Scope
    memory: Memory
    work: Work
    here: tuple[Card, ...]
    timings: tuple[Timing, ...]
    refusal: Refusal | None


def estimate(job: PlanJob, cards: list[Card] | None = None) -> Estimate:
    """Plans a run from configs and shards alone.

    Args:
        cards: the GPUs of this machine; None queries the driver.

    Raises:
        UserError: the errors of the target's config, the draft's geometry and the rows.
    """
    spec, shape = read_spec(job.target), read_shape(job.target)
    config = new_config(job.options.draft, spec)
    element = 4 if job.options.dtype == "fp32" else 2
    soft = job.options.soft_labels is not None
    kept = target_parameters(shape.text, shape.tower, layers_run(shape, config, soft))
    scope = scope_of(job, config, element)
    if job.options.device == "cpu":
        here: tuple[Card, ...] = ()
    else:
        here = tuple(visible_cards() if cards is None else cards)
    memory = training_memory(shape, kept, config, scope.pack, element, soft=soft)
    if shards_target(job, memory, here):
        memory = training_memory(shape, kept, config, scope.pack, element, job.world, soft)
    work = training_work(shape, config, scope.train, soft)
    walk = evaluation_work(shape, config, scope.measured, soft)
    kinds = {card.name: card for card in (*here, *KNOWN)}
    timings = [
        timing_on(
            card,
            spec.model_type,
            scope,
            work,
            walk,
            world=job.world,
            weights=kept.layers * element,
            draft=draft_parameters(config),
        )
        for card in kinds.values()
    ]
    return Estimate(
        job=job,
        spec=spec,
        config=config,
        target=target_parameters(shape.text, shape.tower),
        kept=kept,
        draft=draft_parameters(config),
        scope=scope,
        memory=memory,
        work=work,
        here=here,
        # fp32 matmuls run at a different rate, which has not been measured.
        timings=tuple(timing for timing in timings if timing is not None and element == 2),
        refusal=refuse(job, shape, config, memory, here, element),
    )
