"""A KV cache whose rows have different lengths and come and go, usable as transformers' ``past_key_values``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer


@dataclass
class CacheView:
    """One forward's view of the cache: consecutive rows, each with its own past, all with equally many new tokens.

    Attributes:
        first: index of the first row.
        past: tokens already cached, per row.
        tokens: new tokens per row (n).
        keys: length T of the returned keys, at least max(past) + n.
        rows: int64 [R, 1] and positions int64 [R, n]: where the new keys go.
        mask: float [R, 1, Q, T], 0 or -inf, for queries packed as in ``attention``; None: plain causal.
    """

    first: int
    past: list[int]
    tokens: int
    keys: int
    rows: Tensor
    positions: Tensor
    mask: Tensor | None

    @property
    def count(self) -> int:
        """Number of real rows R."""
        return len(self.past)


class RowLayer(DynamicLayer):  # type: ignore[misc]  # transformers is untyped
    """Keys and values [rows, heads, capacity, head_dim], written in place."""

    keys: Tensor
    values: Tensor
    is_initialized: bool

    def __init__(self) -> None:
        super().__init__()
        self.step: CacheView | None = None

    def allocate(self, rows: int, capacity: int, like: Tensor) -> None:
        """Makes room, keeping what is there. Zeros, because masked keys are still multiplied (0 x NaN is NaN)."""
        old = (self.keys, self.values) if self.is_initialized else None
        shape = (rows, like.shape[1], capacity, like.shape[3])
        self.keys, self.values = like.new_zeros(shape), like.new_zeros(shape)
        self.dtype, self.device, self.is_initialized = like.dtype, like.device, True
        if old is not None:
            self.keys[: old[0].shape[0], :, : old[0].shape[2]] = old[0]
            self.values[: old[1].shape[0], :, : old[1].shape[2]] = old[1]

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> tuple[Tensor, Tensor]:
        """Writes keys, values [rows, heads, n, head_dim], dropping filled-up rows; returns [R, heads, T, head_dim]."""
        step = self.step
        assert step is not None, "a forward without a step"
        R, first = step.count, step.first
        if R == 1:
            past = step.past[0]
            self.keys[first, :, past : past + step.tokens] = key_states[0]
            self.values[first, :, past : past + step.tokens] = value_states[0]
        else:
            self.keys[step.rows, :, step.positions] = key_states[:R].transpose(1, 2)
            self.values[step.rows, :, step.positions] = value_states[:R].transpose(1, 2)
        return self.keys[first : first + R, :, : step.keys], self.values[first : first + R, :, : step.keys]


class RecurrentRows:
    """The conv and recurrent states of one gated delta-net layer, all rows, lent to transformers' own layer per step.

    transformers updates its states in place, so a view of the rows in use is enough; the first prefill shows shapes.
    """

    def __init__(self, layer: Any, rows: int) -> None:
        self.layer = layer
        self.rows = rows
        self.conv: Tensor | None = None
        self.recurrent: Tensor | None = None

    def lend(self, step: CacheView) -> None:
        """Points transformers' layer at the rows of a step; rows without a past start from nothing."""
        if self.conv is None or self.recurrent is None:
            return
        rows = slice(step.first, step.first + step.count)
        self.layer.conv_states[0] = self.conv[rows]
        self.layer.recurrent_states[0] = self.recurrent[rows]
        self.layer.has_previous_state[0] = step.past[0] > 0

    def collect(self, step: CacheView) -> None:
        """After the very first forward (one row): takes over the states that transformers allocated."""
        if self.conv is None:
            self.write(step.first, (self.layer.conv_states[0][0], self.layer.recurrent_states[0][0]))

    def read(self, row: int) -> tuple[Tensor, Tensor]:
        """Copies of a row's states."""
        assert self.conv is not None and self.recurrent is not None
        return self.conv[row].clone(), self.recurrent[row].clone()

    def write(self, row: int, states: tuple[Tensor, Tensor]) -> None:
        """Puts states into a row."""
        conv, recurrent = states
        if self.conv is None or self.recurrent is None:
            self.conv = conv.new_zeros((self.rows, *conv.shape))
            self.recurrent = recurrent.new_zeros((self.rows, *recurrent.shape))
            self.layer.lazy_initialization(conv_states=self.conv[:1], recurrent_states=self.recurrent[:1])
        self.conv[row], self.recurrent[row] = conv, recurrent


class RowCache(DynamicCache):  # type: ignore[misc]
    """All layers' rows. Lengths are kept by the caller and given with every step."""

    def __init__(self, text_config: Any, rows: int) -> None:
        super().__init__(config=text_config)
        self.rows = rows
        self.capacity = 0
        self.recurrent: dict[int, RecurrentRows] = {}
        for index in range(text_config.num_hidden_layers):
            if hasattr(self.layers[index], "recurrent_states"):
                self.recurrent[index] = RecurrentRows(self.layers[index], rows)
            else:
                self.layers[index] = RowLayer()

    @property
    def attention_layers(self) -> list[RowLayer]:
        """The layers that hold keys and values."""
        return [layer for layer in self.layers if isinstance(layer, RowLayer)]

    def begin(self, step: CacheView, like: Tensor) -> None:
        """Prepares a forward. ``like``: [1, kv_heads, 1, head_dim] of the right type and device."""
        if step.keys > self.capacity:
            # Doubling: growing copies everything, so it must be rare.
            self.capacity = max(step.keys, 2 * self.capacity)
            for layer in self.attention_layers:
                layer.allocate(self.rows, self.capacity, like)
        for layer in self.attention_layers:
            layer.step = step
        for states in self.recurrent.values():
            states.lend(step)

    def end(self, step: CacheView) -> None:
        """Finishes a forward."""
        for states in self.recurrent.values():
            states.collect(step)

    def read(self, row: int, length: int) -> list[tuple[Tensor, Tensor]]:
        """Copies of a row's layers: keys and values [heads, length, head_dim], or conv and recurrent states."""
        return [
            self.recurrent[index].read(row)
            if index in self.recurrent
            else (layer.keys[row, :, :length].clone(), layer.values[row, :, :length].clone())
            for index, layer in enumerate(self.layers)
        ]

    def write(self, row: int, state: list[tuple[Tensor, Tensor]], length: int, like: Tensor) -> None:
        """Fills a row from ``read``'s answer, taking the first ``length`` tokens of keys and values."""
        if length > self.capacity:
            self.capacity = max(length, 2 * self.capacity)
            for layer in self.attention_layers:
                layer.allocate(self.rows, self.capacity, like)
        for index, (layer, part) in enumerate(zip(self.layers, state, strict=True)):
            if index in self.recurrent:
                self.recurrent[index].write(row, part)
            else:
                layer.keys[row, :, :length] = part[0][:, :length]
                layer.values[row, :, :length] = part[1][:, :length]

    def move(self, source: int, to: int, length: int) -> None:
        """Copies a row over another."""
        for index, layer in enumerate(self.layers):
            if index in self.recurrent:
                self.recurrent[index].write(to, self.recurrent[index].read(source))
            else:
                layer.keys[to, :, :length] = layer.keys[source, :, :length]
                layer.values[to, :, :length] = layer.values[source, :, :length]
