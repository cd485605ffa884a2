"""Which rows of a shards directory a run trains on and measures, and what it sets aside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import UserError
from ..data.shards import Ints, RowShards
from ..data.survey import RowFacts, survey
from .options import TrainOptions


@dataclass(frozen=True)
class Corpus:
    """The rows of a run.

    Attributes:
        usable: int64, numbers of the training rows that are used. measured: int64, those of the held-out rows that
            evaluations walk.
        counts: how many rows were read, kept, and set aside under which reason.
        facts, heldout_facts: of the rows that were looked through, by row number.
    """

    train: RowShards
    heldout: RowShards
    usable: Ints
    measured: Ints
    counts: dict[str, Any]
    facts: RowFacts
    heldout_facts: RowFacts


def open_corpus(shards: Path, options: TrainOptions, mask_id: int) -> Corpus:
    """Opens both splits, sets aside rows that cannot be trained on, and counts them.

    Raises:
        UserError: ``no-rows`` when nothing is left; ``mask-in-data`` when a supervised token is the mask id.
    """
    train, heldout = RowShards(shards, "train"), RowShards(shards, "heldout")
    limit = min(len(train), options.max_train_rows or len(train))
    facts = survey(train, limit, mask_id)
    fits = facts.tokens <= options.max_length
    drafted = facts.anchors > 0
    usable = np.flatnonzero(fits & drafted)
    refused = usable[facts.forbidden[usable]]
    if len(refused):
        row = train[int(refused[0])]
        raise UserError(
            "mask-in-data",
            f"row {row.dialogue_id}/{row.row}: a response holds the mask id {mask_id}",
            "choose another draft.maskTokenId: one that the target never says",
        )
    if not len(usable):
        raise UserError("no-rows", f"{shards}: none of {limit} training rows can be trained on")
    heldout_facts = survey(heldout)
    measured: Ints = np.flatnonzero(heldout_facts.tokens <= options.max_length)[: options.eval_rows]
    counts = {
        "read": limit,
        "kept": len(usable),
        "rejected": {"too-long": int((~fits).sum()), "no-anchors": int((fits & ~drafted).sum())},
        "heldout": len(heldout),
        "heldoutMeasured": len(measured),
    }
    return Corpus(train, heldout, usable, measured, counts, facts, heldout_facts)
