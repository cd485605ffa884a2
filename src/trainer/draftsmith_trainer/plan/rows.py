"""Totals over the rows of a run: measured from the shards, or bounded by the options if there are none yet."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..data.survey import RowFacts


@dataclass(frozen=True)
class RowTotals:
    """Sums over rows, with every row trained on (or walked) once.

    Attributes:
        rows: number of rows. tokens: of all rows. context: tokens that blocks attend to.
        token_pairs: pairs of tokens that attend to each other in the target, S^2 / 2 for a row of S.
        anchors: blocks drafted. places: labeled places, at most block size - 1 per block.
        block_pairs: pairs of a block and a context token that it sees.
        supervised: response tokens. pictures, patches, patch_pairs: see :class:`~..data.survey.RowFacts`.
    """

    rows: float = 0
    tokens: float = 0
    context: float = 0
    token_pairs: float = 0
    anchors: float = 0
    places: float = 0
    block_pairs: float = 0
    supervised: float = 0
    pictures: float = 0
    patches: float = 0
    patch_pairs: float = 0

    def times(self, factor: float) -> RowTotals:
        """The totals of ``factor`` as many rows."""
        return RowTotals(**{field.name: factor * getattr(self, field.name) for field in fields(self)})


def totals_of(facts: RowFacts, anchors: int | None, block_size: int) -> RowTotals:
    """The totals of surveyed rows.

    Args:
        anchors: maximum blocks drawn per row; None drafts at every candidate, as an evaluation does.
    """
    drawn = facts.anchors if anchors is None else np.minimum(facts.anchors, anchors)
    # A response of L tokens has L - 1 candidates, so responses = supervised tokens - candidates. Blocks at the last
    # B - 2 candidates of a response extend past its end.
    responses = facts.supervised - facts.anchors
    lost = responses * (block_size - 1) * (block_size - 2) / 2
    places = np.maximum(facts.anchors * (block_size - 1) - lost, facts.anchors)
    share = drawn / np.maximum(facts.anchors, 1)
    tokens = facts.tokens.astype(np.float64)
    return RowTotals(
        rows=len(facts),
        tokens=float(tokens.sum()),
        context=float(facts.context.sum()),
        token_pairs=float((tokens * tokens).sum() / 2),
        anchors=float(drawn.sum()),
        places=float((places * share).sum()),
        block_pairs=float((drawn * facts.context.astype(np.float64)).sum()),
        supervised=float(facts.supervised.sum()),
        pictures=float(facts.pictures.sum()),
        patches=float(facts.patches.sum()),
        patch_pairs=float(facts.patch_pairs.sum()),
    )


def bound_of(rows: float, max_length: int, anchors: int, block_size: int) -> RowTotals:
    """Upper bounds for ``rows`` rows without pictures under the options."""
    drawn = min(anchors, max_length)
    one = RowTotals(
        rows=1,
        tokens=max_length,
        context=max_length,
        token_pairs=max_length**2 / 2,
        anchors=drawn,
        places=drawn * (block_size - 1),
        block_pairs=drawn * max_length,
        supervised=max_length,
    )
    return one.times(rows)
