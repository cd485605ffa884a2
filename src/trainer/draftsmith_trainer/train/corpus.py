"""Which rows of a shards directory a run trains on and measures, and what it sets aside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import UserError
from ..data.blocks import candidates
from ..data.shards import Ints, RowShards
from .options import TrainOptions


@dataclass(frozen=True)
class Corpus:
    """The rows of a run: which training rows are used, which held-out rows are measured, and what was set aside."""

    train: RowShards
    heldout: RowShards
    usable: Ints
    measured: Ints
    counts: dict[str, Any]


def open_corpus(shards: Path, options: TrainOptions, mask_id: int) -> Corpus:
    """Opens both splits, sets aside rows that cannot be trained on, and counts them.

    Raises:
        UserError: ``no-rows`` when nothing is left; ``mask-in-data`` when a supervised token is the mask id.
    """
    train, heldout = RowShards(shards, "train"), RowShards(shards, "heldout")
    limit = min(len(train), options.max_train_rows or len(train))
    usable, no_anchor, too_long = [], 0, 0
    for i in range(limit):
        if train.lengths[i] > options.max_length:
            too_long += 1
            continue
        row = train[i]
        if not len(candidates(row)):
            no_anchor += 1
            continue
        if bool(((row.input_ids == mask_id) & (row.loss_mask > 0)).any()):
            raise UserError(
                "mask-in-data",
                f"row {row.dialogue_id}/{row.row}: a response holds the mask id {mask_id}",
                "choose another draft.maskTokenId: one that the target never says",
            )
        usable.append(i)
    if not usable:
        raise UserError("no-rows", f"{shards}: none of {limit} training rows can be trained on")
    measured: Ints = np.flatnonzero(heldout.lengths <= options.max_length)[: options.eval_rows]
    counts = {
        "read": limit,
        "kept": len(usable),
        "rejected": {"too-long": too_long, "no-anchors": no_anchor},
        "heldout": len(heldout),
        "heldoutMeasured": len(measured),
    }
    return Corpus(train, heldout, np.array(usable, np.int64), measured, counts)
