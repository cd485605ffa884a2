"""The cached keys, values and recurrent states of a batch: rows of equal capacity, written in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from .compat import recurrent_states, set_recurrent_states


@dataclass(frozen=True)
class RowState:
    """A copy of one row.

    Attributes:
        kept: [layers with attention, 2, kv_heads, length, D], keys and values.
        recurrent: per recurrent layer, its convolution and recurrent states.
    """

    kept: Tensor
    recurrent: tuple[tuple[Tensor, Tensor], ...]

    @property
    def size(self) -> int:
        """Size in bytes."""
        parts = [self.kept, *(part for pair in self.recurrent for part in pair)]
        return sum(part.numel() * part.element_size() for part in parts)


class RecurrentRows:
    """The convolution and recurrent states of one gated delta-net layer for all rows, lent to transformers' layer.

    transformers updates its states in place, so lending a view of the rows in use is enough. Their shapes are known
    after the first prefill.
    """

    def __init__(self, layer: Any, rows: int) -> None:
        self.layer = layer
        self.rows = rows
        self.conv: Tensor | None = None
        self.recurrent: Tensor | None = None

    def lend(self, first: int, rows: int, has_past: bool) -> None:
        """Points transformers' layer at ``rows`` rows; rows with an empty cache start from zero states."""
        if self.conv is None or self.recurrent is None:
            return
        used = slice(first, first + rows)
        set_recurrent_states(self.layer, self.conv[used], self.recurrent[used], has_past)

    def collect(self, first: int) -> None:
        """After the very first forward pass (row ``first`` alone), copies the states that transformers allocated."""
        if self.conv is None:
            conv, recurrent = recurrent_states(self.layer)
            self.write(first, (conv[0], recurrent[0]))

    def copies(self, rows: int) -> tuple[Tensor, Tensor]:
        """Copies of the first rows' states."""
        assert self.conv is not None and self.recurrent is not None
        return self.conv[:rows].clone(), self.recurrent[:rows].clone()

    def read(self, row: int) -> tuple[Tensor, Tensor]:
        """Returns copies of a row's states."""
        assert self.conv is not None and self.recurrent is not None
        return self.conv[row].clone(), self.recurrent[row].clone()

    def write(self, row: int, states: tuple[Tensor, Tensor]) -> None:
        """Overwrites a row's states."""
        conv, recurrent = states
        if self.conv is None or self.recurrent is None:
            self.conv = conv.new_zeros((self.rows, *conv.shape))
            self.recurrent = recurrent.new_zeros((self.rows, *recurrent.shape))
            self.layer.lazy_initialization(conv_states=self.conv[:1], recurrent_states=self.recurrent[:1])
        self.conv[row], self.recurrent[row] = conv, recurrent


class KeyRows:
    """Keys and values of all layers, one tensor [layers, 2, rows, kv_heads, capacity, D], so that rows copy at once.

    Lengths are kept by the caller. Room that was never written is zero: masked keys are still multiplied, and 0 x NaN
    is NaN.
    """

    def __init__(self, layers: int, rows: int, kv_heads: int, head_dim: int, like: Tensor) -> None:
        self._store = like.new_zeros(layers, 2, rows, kv_heads, 0, head_dim)

    @property
    def capacity(self) -> int:
        """Tokens for which every row has room."""
        return self._store.shape[4]

    def reserve(self, tokens: int) -> None:
        """Makes room for rows of ``tokens`` tokens, doubling, because growing copies everything."""
        if tokens <= self.capacity:
            return
        old = self._store
        size = max(tokens, 2 * self.capacity)
        self._store = old.new_zeros(*old.shape[:4], size, old.shape[5])
        self._store[..., : old.shape[4], :] = old

    def slots(self, rows: Tensor, places: Tensor) -> Tensor:
        """Where the keys of tokens go: int64 [M] rows and places in them -> int64 [M, kv_heads], for :meth:`write`.

        They hold until room is reserved.
        """
        heads = self._store.shape[3]
        head = rows[:, None] * heads + torch.arange(heads, device=rows.device)
        return head * self.capacity + places[:, None]

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Stores the keys and values [M, kv_heads, D] of tokens at their slots."""
        where = slots.view(-1)
        store = self._store[layer].flatten(1, 3)
        store[0].index_copy_(0, where, keys.reshape(-1, keys.shape[-1]))
        store[1].index_copy_(0, where, values.reshape(-1, values.shape[-1]))

    def view(self, layer: int, first: int, rows: int, keys: int) -> tuple[Tensor, Tensor]:
        """The first ``keys`` keys and values of consecutive rows, [R, kv_heads, keys, D] each."""
        found = self._store[layer, :, first : first + rows, :, :keys]
        return found[0], found[1]

    def read(self, row: int, length: int) -> Tensor:
        """A copy of a row's first ``length`` tokens, [layers, 2, kv_heads, length, D]."""
        return self._store[:, :, row, :, :length].clone()

    def put(self, row: int, copy: Tensor, length: int) -> None:
        """Fills a row with the first ``length`` tokens of a copy."""
        self.reserve(length)
        self._store[:, :, row, :, :length] = copy[:, :, :, :length]

    def move(self, source: int, to: int, length: int) -> None:
        """Copies the first ``length`` tokens of a row over another row."""
        self._store[:, :, to, :, :length] = self._store[:, :, source, :, :length]


class RowCache:
    """All rows of a target's layers.

    Attributes:
        keys: of the layers with attention, in their order.
        states: transformers' cache for the recurrent layers, which are run by its own modules; None without any.
        recurrent: layer number -> its rows.
    """

    def __init__(self, text_config: Any, rows: int, kv_heads: int, head_dim: int, like: Tensor) -> None:
        kinds = getattr(text_config, "layer_types", None) or ["full_attention"] * text_config.num_hidden_layers
        linear = [number for number, kind in enumerate(kinds) if kind == "linear_attention"]
        states: Any = DynamicCache(config=text_config) if linear else None
        self.states = states
        self.recurrent = {number: RecurrentRows(states.layers[number], rows) for number in linear}
        self.keys = KeyRows(len(kinds) - len(linear), rows, kv_heads, head_dim, like)

    def read(self, row: int, length: int) -> RowState:
        """A copy of a row's first ``length`` tokens; recurrent states as they are."""
        return RowState(self.keys.read(row, length), tuple(states.read(row) for states in self.recurrent.values()))

    def put(self, row: int, state: RowState, length: int) -> None:
        """Fills a row with the first ``length`` tokens of a copy."""
        self.keys.put(row, state.kept, length)
        for states, copy in zip(self.recurrent.values(), state.recurrent, strict=True):
            states.write(row, copy)

    def move(self, source: int, to: int, length: int) -> None:
        """Copies one row over another."""
        self.keys.move(source, to, length)
        for states in self.recurrent.values():
            states.write(to, states.read(source))
