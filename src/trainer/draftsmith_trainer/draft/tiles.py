"""Computes from the blocks' ranges which tiles of queries and keys flex attention must visit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data.batch import Batch
from ..data.shards import Ints

#: Queries and keys per tile.
TILE = 128


@dataclass(frozen=True)
class Tiles:
    """Tables for ``BlockMask.from_kv_blocks``.

    Attributes:
        tables: counts and indices of the partially visible key tiles, then of the fully visible ones; int32
            [1, 1, query tiles] and [1, 1, query tiles, key tiles].
        queries, keys: lengths in tokens.
    """

    tables: tuple[Tensor, Tensor, Tensor, Tensor]
    queries: int
    keys: int

    def to(self, device: torch.device) -> Tiles:
        """A copy with its tensors on ``device``; the transfers are asynchronous."""
        number, index, whole_number, whole_index = (x.to(device, non_blocking=True) for x in self.tables)
        return Tiles((number, index, whole_number, whole_index), self.queries, self.keys)


def tiles_of(batch: Batch, window: int | None) -> Tiles:
    """Tiles for a batch whose context and blocks are padded to whole tiles.

    A query tile visits the context from its blocks' lowest to their highest visible position (documents are contiguous,
    so this is one range; the mask hides the rest), and the tiles of its own blocks.
    """
    size, queries = batch.block_size, batch.ids.numel()
    low, high = batch.low.numpy().astype(np.int64), batch.high.numpy().astype(np.int64)
    first_seen, all_seen = low, low
    if window is not None:
        first_seen = np.maximum(low, high - window + 1)
        all_seen = np.maximum(low, high + size - window)
    rows, columns = queries // TILE, (batch.context + queries) // TILE
    some = np.zeros((rows, columns), bool)
    whole = np.zeros((rows, columns), bool)
    for row in range(rows):
        blocks = slice(row * TILE // size, ((row + 1) * TILE - 1) // size + 1)
        real = high[blocks] > low[blocks]
        if real.any():
            some[row, first_seen[blocks][real].min() // TILE : -(-high[blocks][real].max() // TILE)] = True
        if real.all():
            start, end = -(-all_seen[blocks].max() // TILE), high[blocks].min() // TILE
            whole[row, start : max(start, end)] = True
        own = batch.context + blocks.start * size, batch.context + min(blocks.stop * size, queries)
        some[row, own[0] // TILE : -(-own[1] // TILE)] = True
    return Tiles((*_lists(some & ~whole), *_lists(whole)), queries, batch.context + queries)


def _lists(seen: Ints) -> tuple[Tensor, Tensor]:
    """For each row the number of True entries, and their indices followed by those of the others."""
    order = np.argsort(~seen, axis=1, kind="stable").astype(np.int32)
    return torch.from_numpy(seen.sum(axis=1).astype(np.int32))[None, None], torch.from_numpy(order)[None, None]
