"""Speculative greedy decoding with a DFlash draft: the ids of plain greedy decoding, in fewer target passes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .decoder import Decoder
from .drafting import Drafter, Drafting, OneByOne
from .greedy import as_target
from .prompt import Prompt
from .request import DecodeRequest
from .rows import rules_for
from .scheduler import Scheduler


@dataclass(frozen=True)
class SpeculativeResult:
    """A continuation, with the counts of its decoding.

    Attributes:
        ids: new tokens, the stop token included; equal to those of plain greedy decoding.
        finish: ``stop`` or ``length``.
        accepted_per_step: number of drafted tokens used in each step. The first token comes from the prompt's own pass;
            a step adds its accepted tokens and one more, unless the answer ends with an accepted token. These are the
            steps of the offline walk p -> p + accepted + 1 from the first token to the last.
        matched_per_step: the same, counting matches after the answer's end too, as SGLang does.
        proposed: total number of drafted tokens.
    """

    ids: list[int]
    finish: str
    accepted_per_step: list[int]
    matched_per_step: list[int]
    proposed: int

    @property
    def steps(self) -> int:
        """Number of verification passes."""
        return len(self.accepted_per_step)


def drafting_for(target: Any, draft: Any) -> Drafting:
    """How to draft with a loaded DFlash model (``algorithms.load_draft``) for a target: all rows in one pass."""
    from .drafters import DraftRows
    from .linear import can_pack, packed_copy

    target = as_target(target)
    embed, head = target.text.embed_tokens.weight, target.model.lm_head.weight
    config = draft.config
    # Not the target's rules: the draft's own products with the target's lm_head are not packed.
    rules = rules_for(target.device, next(draft.parameters()).dtype, hybrid=False, packed=False)
    ready = packed_copy(draft) if can_pack(draft) else draft
    return Drafting(
        new_drafters=lambda rows: DraftRows(ready, embed, head, rows, rules),
        capture=tuple(config.target_layer_ids),
        positions_3d=config.rotary == "mrope",
    )


def generate(
    target: Any,
    drafter: Any,
    input_ids: Tensor,
    pixel_values: Tensor | None = None,
    image_grid_thw: Tensor | None = None,
    mm_token_type_ids: Tensor | None = None,  # noqa: ARG001 - see greedy.generate
    max_new_tokens: int = 128,
    stop_ids: Collection[int] = (),
    capture: Sequence[int] | None = None,
) -> SpeculativeResult:
    """Continues one prompt; arguments as in ``greedy.generate``.

    Args:
        drafter: a ``Drafting``, or a new ``BlockDrafter`` (anything with ``extend`` and ``draft``) for this sequence.
        capture: target layers that the drafter reads; required if it has no ``model.config`` that names them.
    """
    target = as_target(target)
    drafting = drafter if isinstance(drafter, Drafting) else _single(drafter, capture)
    prompt = target.prompt_from_tensors(input_ids, pixel_values, image_grid_thw)
    return generate_batch(target, drafting, [prompt], max_new_tokens, stop_ids, max_rows=1)[0]


def generate_batch(
    target: Decoder,
    drafting: Drafting,
    prompts: Sequence[Prompt],
    max_new_tokens: int,
    stop_ids: Collection[int] = (),
    max_rows: int = 16,
) -> list[SpeculativeResult]:
    """Continues many prompts, up to ``max_rows`` at a time, and verifies all their blocks in one pass."""
    scheduler = Scheduler(target, max_rows, drafting)
    requests = [DecodeRequest(prompt, max_new_tokens, frozenset(stop_ids)) for prompt in prompts]
    for request in requests:
        scheduler.submit(request)
    scheduler.run()
    return [result_of(request) for request in requests]


def result_of(request: DecodeRequest) -> SpeculativeResult:
    """The result of a finished request that was decoded with a draft."""
    assert request.finish is not None and request.drafts is not None
    return SpeculativeResult(
        request.ids, request.finish.type, request.drafts.accepted, request.drafts.matched, request.drafts.proposed
    )


def _single(drafter: Any, capture: Sequence[int] | None) -> Drafting:
    config: Any = getattr(getattr(drafter, "model", None), "config", None)
    layers = tuple(capture if capture is not None else config.target_layer_ids)
    if hasattr(drafter, "reset"):
        drafter.reset()
    fresh: Drafter = drafter
    return Drafting(
        lambda _rows: OneByOne(lambda: fresh), layers, positions_3d=getattr(config, "rotary", "plain") == "mrope"
    )
