"""Batches of plain rows, for tests of what works on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from draftsmith_trainer.data.batch import Batch, make_batch
from draftsmith_trainer.data.shards import Row


def batch_of(lengths: Sequence[int], anchors: Sequence[Any], size: int, multiple: int = 1) -> Batch:
    """Rows of these lengths, end to end, with blocks at these anchors."""
    nothing = np.zeros((0, 3), np.int32)
    rows = [
        Row(i, np.arange(n, dtype=np.int32), np.ones(n, np.int8), np.zeros(n, np.int8), (), nothing, "d", 0, (), ())
        for i, n in enumerate(lengths)
    ]
    return make_batch(rows, anchors, np.cumsum([0, *lengths])[:-1], size, 0, multiple=multiple)
