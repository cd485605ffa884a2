"""Compares hidden states that a server returned with those that training captures, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.errors import UserError
from ..data.images import PixelReader
from ..data.shards import Row
from ..evaluate.options import ServedRow
from ..target import Target
from ..target.capture import capture_row


@dataclass
class LayerDifference:
    """How far a server's states of one layer are from ours, the worst of all rows.

    Attributes:
        layer: id of the layer, as the server names it. difference: ||theirs - ours|| / ||ours|| (Frobenius).
        nearest: the layer among this one and its neighbours whose states are nearest to the server's, in the worst row.
        nearest_difference: the same measure, to that layer.
    """

    layer: int
    difference: float = 0.0
    nearest: int = -1
    nearest_difference: float = 0.0

    def add(self, differences: dict[int, float]) -> None:
        """Takes the differences of one row, by our layer."""
        if self.nearest >= 0 and differences[self.layer] <= self.difference:
            return
        self.difference = differences[self.layer]
        self.nearest = min(differences, key=lambda layer: (differences[layer], layer != self.layer))
        self.nearest_difference = differences[self.nearest]

    def report(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "layer": self.layer,
            "difference": self.difference,
            "nearest": self.nearest,
            "nearestDifference": self.nearest_difference,
        }


def neighbours(layer_ids: Sequence[int], layers: int) -> tuple[int, ...]:
    """The layers to capture: those of the server and the ones beside them, so that an off-by-one is named as such.

    Raises:
        UserError: ``served-layer`` for a layer that the target lacks.
    """
    outside = [layer for layer in layer_ids if not 0 <= layer < layers]
    if outside:
        message = f"the server returns states of layer {outside[0]}, the target has layers 0 to {layers - 1}"
        raise UserError("served-layer", message, "start the server with layers of this target")
    near = {layer + step for layer in layer_ids for step in (-1, 0, 1)}
    return tuple(sorted(layer for layer in near if 0 <= layer < layers))


def compare_row(
    target: Target, pixels: PixelReader, row: Row, served: ServedRow, layer_ids: Sequence[int]
) -> list[dict[int, float]]:
    """For each of ``layer_ids``: relative differences of the server's states to our layers, itself and its neighbours.

    Attention is causal, so the states of a prompt are those of the row's first tokens.

    Raises:
        UserError: ``served-states`` when the file is not as long as the prompt.
    """
    width = target.embed.shape[1]
    theirs = np.fromfile(served.file, "<f4")
    if theirs.size != served.tokens * len(layer_ids) * width:
        wanted = f"{served.tokens} tokens x {len(layer_ids)} layers x {width}"
        raise UserError("served-states", f"the server's states are {theirs.size} numbers, not {wanted}")
    states = torch.from_numpy(theirs).view(served.tokens, len(layer_ids), width)
    values, grid = pixels.pixels(row)
    captured = capture_row(
        target, torch.from_numpy(row.input_ids.astype(np.int64)), torch.from_numpy(row.token_types.copy()), values, grid
    )
    ours = captured.states[: served.tokens].float().cpu().view(served.tokens, len(target.layer_ids), width)
    by_layer = {layer: ours[:, place] for place, layer in enumerate(target.layer_ids)}
    return [
        {
            near: _relative(states[:, place], by_layer[near])
            for near in (layer - 1, layer, layer + 1)
            if near in by_layer
        }
        for place, layer in enumerate(layer_ids)
    ]


def _relative(theirs: Tensor, ours: Tensor) -> float:
    return float((theirs - ours).norm() / ours.norm().clamp_min(1e-30))
