"""The decoder's draft-and-verify loop in the form that evaluation needs: one response of a row per call."""

from __future__ import annotations

import json

import torch
from draftsmith_trainer.data.images import PixelReader
from draftsmith_trainer.data.shards import Row
from draftsmith_trainer.draft.model import DFlashDraft
from draftsmith_trainer.evaluate.compare import Loop, LoopOutcome
from draftsmith_trainer.target import Target, TargetSpec
from torch import Tensor


def speculative_loop(target: Target, draft: DFlashDraft, pixels: PixelReader) -> Loop:
    """The draft-and-verify loop of ``target``, which must have all its layers, with ``draft``.

    It decodes from the tokens and images before the response, up to the response's length or a stop token.
    """
    from . import speculative
    from .decoder import Decoder

    decoder = Decoder(target.model)
    drafting = speculative.drafting_for(decoder, draft)
    stops = stop_ids(target.spec)
    cached: tuple[int, Tensor | None, Tensor | None] = (-1, None, None)

    def loop(row: Row, start: int, end: int) -> LoopOutcome:
        nonlocal cached
        if cached[0] != row.index:
            cached = (row.index, *pixels.pixels(row))
        values, grid = images_before(row, start, target.spec.spatial_merge_size, cached[1], cached[2])
        ids = torch.from_numpy(row.input_ids[:start].astype("int64"))
        result = speculative.generate(decoder, drafting, ids, values, grid, max_new_tokens=end - start, stop_ids=stops)
        return LoopOutcome(list(result.ids), list(result.accepted_per_step))

    return loop


def images_before(
    row: Row, start: int, merge: int, values: Tensor | None, grid: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """The pixel values and grids of the images whose placeholders lie before ``start``."""
    if values is None or grid is None:
        return None, None
    patches = grid.prod(dim=1)
    shown = int((row.token_types[:start] == 1).sum())
    count = int((patches.cumsum(0) // merge**2 <= shown).sum())
    return (values[: int(patches[:count].sum())], grid[:count]) if count else (None, None)


def stop_ids(spec: TargetSpec) -> frozenset[int]:
    """The ids that end an answer, from generation_config.json or else from the text config."""
    path = spec.directory / "generation_config.json"
    found = json.loads(path.read_text("utf-8")).get("eos_token_id") if path.exists() else None
    found = spec.eos_token_id if found is None else found
    ids = found if isinstance(found, list) else [found]
    return frozenset(int(i) for i in ids if i is not None)
