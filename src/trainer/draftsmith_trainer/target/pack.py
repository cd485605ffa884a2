"""What the target reads of several rows in one pass: their tokens end to end, their pictures once each.

Made on the host, in the loader: nothing in it needs the device, and nothing on the device has to ask for a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..base.errors import UserError
from ..data.images import Grid
from ..data.shards import Ints, Row
from .layout import Layout
from .spec import TargetSpec

_MOVED = ("input_ids", "positions", "visual_at", "visual_from")


@dataclass(frozen=True)
class Pack:
    """Rows laid end to end.

    Attributes:
        rows: in this order.
        starts: where each row begins, int64 [rows + 1]; the last entry is T.
        input_ids: int64 [T].
        positions: int64 [3, T], each row's own (time, height, width), from 0.
        layout: the rows' lengths.
        visual_at: int64 [V], where placeholders of pictures are. visual_from: int64 [V], which merged patch of
            ``grids`` stands there.
        hashes: the pictures, each once. grids: of each, sorted so that equal ones are neighbours (host).
    """

    rows: tuple[Row, ...]
    starts: Ints
    input_ids: Tensor
    positions: Tensor
    layout: Layout
    visual_at: Tensor
    visual_from: Tensor
    hashes: tuple[str, ...]
    grids: tuple[Grid, ...]

    @property
    def tokens(self) -> int:
        """T."""
        return int(self.starts[-1])

    def to(self, device: torch.device) -> Pack:
        """The same pack with its tensors on a device; does not wait for the copies."""
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in _MOVED}
        return replace(self, layout=self.layout.to(device), **moved)

    def pinned(self) -> Pack:
        """The same pack in memory from which copies to a CUDA device do not block."""
        return replace(self, **{name: getattr(self, name).pin_memory() for name in _MOVED})


def plan_packs(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Which rows share a pass: every row once, at most ``budget`` tokens a pack (a longer row is a pack of its own).

    First fit over falling lengths; rows of a pack keep their order. The same lengths give the same packs.
    """
    packs: list[tuple[int, list[int]]] = []
    for number in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        fits = next((i for i, (used, _) in enumerate(packs) if used + lengths[number] <= budget), None)
        if fits is None:
            packs.append((lengths[number], [number]))
        else:
            used, members = packs[fits]
            packs[fits] = (used + lengths[number], [*members, number])
    return sorted(sorted(members) for _, members in packs)


def make_pack(rows: Sequence[Row], positions: Sequence[Tensor], spec: TargetSpec) -> Pack:
    """Lays ``rows`` (without videos) end to end.

    Args:
        positions: int64 [3, S] for each row, the target's own.

    Raises:
        UserError: ``image-tokens`` when a row's placeholders do not fit its images.
    """
    starts: Ints = np.cumsum([0, *(len(row) for row in rows)])
    merge = spec.spatial_merge_size**2
    sizes: dict[str, Grid] = {}
    for row in rows:
        check_placeholders(row, spec)
        sizes.update(zip(row.image_hashes, ((int(t), int(h), int(w)) for t, h, w in row.image_grid), strict=True))
    hashes = tuple(sorted(sizes, key=lambda name: (sizes[name], name)))
    first, count = {}, 0
    for name in hashes:
        first[name] = count
        count += int(np.prod(sizes[name])) // merge
    at, taken = [], []
    for row, start in zip(rows, starts, strict=False):
        at.append(np.flatnonzero(row.input_ids == spec.image_token_id) + start)
        for name in row.image_hashes:
            taken.append(np.arange(int(np.prod(sizes[name])) // merge) + first[name])
    return Pack(
        rows=tuple(rows),
        starts=starts,
        input_ids=torch.from_numpy(np.concatenate([row.input_ids for row in rows]).astype(np.int64)),
        positions=torch.cat(list(positions), dim=1),
        layout=Layout.of([len(row) for row in rows]),
        visual_at=_joined(at),
        visual_from=_joined(taken),
        hashes=hashes,
        grids=tuple(sizes[name] for name in hashes),
    )


def check_placeholders(row: Row, spec: TargetSpec) -> None:
    """A row has as many placeholders as its images and videos take, by token id and by token type.

    The model goes by ids, its positions by types; a target that said a placeholder itself makes both too many.

    Raises:
        UserError: ``image-tokens``, ``video-tokens``.
    """
    kinds = (("image", 1, spec.image_token_id, row.image_grid), ("video", 2, spec.video_token_id, row.video_grid))
    for what, kind, token, grid in kinds:
        wanted = int(grid.astype(np.int64).prod(axis=1).sum()) // spec.spatial_merge_size**2
        for found in (int((row.input_ids == token).sum()), int((row.token_types == kind).sum())):
            if found != wanted:
                raise UserError(
                    f"{what}-tokens",
                    f"row {row.dialogue_id}/{row.row} has {found} {what} tokens, its {what}s take {wanted}",
                    f"was the data tokenized for this target? an answer that holds {what} tokens must be rejected "
                    "before",
                )


def _joined(parts: list[Ints]) -> Tensor:
    return torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64))
