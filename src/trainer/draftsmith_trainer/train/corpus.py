"""Selects the rows of a shards directory that a run trains on and evaluates, and counts the rejected ones."""

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
        counts: rows read, kept, and rejected under each reason.
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
    """Opens both splits, rejects rows that cannot be trained on, and counts them.

    Raises:
        UserError: ``no-rows`` when no row is left; ``mask-in-data`` when a supervised token is the mask id.
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
    rejected = {"too-long": int((~fits).sum()), "no-anchors": int((fits & ~drafted).sum())}
    if not len(usable):
        raise _nothing_left(shards, facts, rejected, options.max_length)
    heldout_facts = survey(heldout)
    measured: Ints = np.flatnonzero(heldout_facts.tokens <= options.max_length)[: options.eval_rows]
    counts = {
        "read": limit,
        "kept": len(usable),
        "rejected": rejected,
        "heldout": len(heldout),
        "heldoutMeasured": len(measured),
    }
    return Corpus(train, heldout, usable, measured, counts, facts, heldout_facts)


def _nothing_left(shards: Path, facts: RowFacts, rejected: dict[str, int], max_length: int) -> UserError:
    if not len(facts):
        return UserError("no-rows", f"{shards} has no training rows", "shard more rows, or lower heldoutShare")
    reasons, hint = [], "train on rows whose answers have at least two tokens"
    if rejected["no-anchors"]:
        reasons.append(f"{rejected['no-anchors']} have no answer that a block could be drafted in")
    if rejected["too-long"]:
        shortest = int(facts.tokens.min())
        reasons.append(f"{rejected['too-long']} are longer than maxLength {max_length} (the shortest has {shortest})")
        hint = f"raise maxLength to at least {shortest} tokens"
    message = f"{shards}: none of {len(facts)} training rows can be trained on: {'; '.join(reasons)}"
    return UserError("no-rows", message, hint)
