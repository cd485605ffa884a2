"""Floating-point operations of a training run, by part: a lower bound for any implementation.

A matmul of [m, k] and [k, n] is 2 m k n operations. Elementwise work is left out; attention counts the unmasked pairs
only. Backward passes cost twice their forward pass: once for inputs, once for weights.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..draft.config import DraftConfig
from .parameters import draft_query_parameters
from .rows import RowTotals
from .shape import DeltaShape, MlpShape, TargetShape, TextShape, TowerShape

#: Chunk length of the gated delta net in tokens (in flash-linear-attention and in transformers).
_DELTA_CHUNK = 64


@dataclass(frozen=True)
class Work:
    """Operations by part."""

    tower: float
    target: float
    draft: float
    head: float

    @property
    def total(self) -> float:
        """All of them."""
        return sum(getattr(self, field.name) for field in fields(self))


def training_work(shape: TargetShape, config: DraftConfig, rows: RowTotals, soft: bool = False) -> Work:
    """Operations of training on ``rows`` once: target forward, draft and head forward and backward.

    Args:
        soft: with soft labels, which need all layers of the target and its own logits.
    """
    return Work(
        tower=tower_work(shape.tower, rows),
        target=target_work(shape.text, layers_run(shape, config, soft), rows),
        draft=draft_forward_work(config, rows) + draft_backward_work(config, rows),
        # Logits, and the gradient with respect to the hidden states; the frozen matrix needs none.
        head=(3 if soft else 2) * head_forward_work(config, rows),
    )


def layers_run(shape: TargetShape, config: DraftConfig, soft: bool) -> int:
    """Layers of the target that a run loads and runs."""
    return len(shape.text.layers) if soft else max(config.target_layer_ids) + 1


def evaluation_work(shape: TargetShape, config: DraftConfig, rows: RowTotals, soft: bool = False) -> Work:
    """Operations of walking ``rows`` once: forward passes only."""
    return Work(
        tower=tower_work(shape.tower, rows),
        target=target_work(shape.text, layers_run(shape, config, soft), rows),
        draft=draft_forward_work(config, rows),
        head=head_forward_work(config, rows),
    )


def tower_work(tower: TowerShape, rows: RowTotals) -> float:
    """The vision tower's forward pass over all pictures of ``rows``."""
    h = tower.hidden
    block = 2 * (4 * h * h + 2 * h * tower.intermediate)
    merged = tower.merge**2 * h
    mergers = (1 + tower.deepstack) * 2 * (merged * merged + merged * tower.out) / tower.merge**2
    patch = 2 * tower.patch * h + tower.depth * block + mergers
    return rows.patches * patch + rows.patch_pairs * tower.depth * 4 * h


def target_work(text: TextShape, layers: int, rows: RowTotals) -> float:
    """The first ``layers`` decoder layers' forward pass over all tokens of ``rows``."""
    total = 0.0
    for kind, mlp in zip(text.layers[:layers], text.mlps[:layers], strict=True):
        total += rows.tokens * _mlp(text.hidden, mlp)
        if kind == "attention":
            queries, keys = text.heads * text.head_dim, text.kv_heads * text.head_dim
            asked = queries * (2 if text.gated else 1)
            total += rows.tokens * 2 * text.hidden * (asked + 2 * keys + queries)
            total += rows.token_pairs * 4 * queries
        elif text.delta is not None:
            total += rows.tokens * _delta(text.hidden, text.delta)
    return total


def draft_forward_work(config: DraftConfig, rows: RowTotals) -> float:
    """The draft's layers over all blocks, and its projections of the context."""
    context, attention = _draft_context(config, rows), _draft_attention(config, rows)
    return sum(context) + _draft_queries(config, rows) + attention


def draft_backward_work(config: DraftConfig, rows: RowTotals) -> float:
    """The draft's backward pass: captured states need no gradient, attention recomputes its scores."""
    fc, keys = _draft_context(config, rows)
    return fc + 2 * keys + 2 * _draft_queries(config, rows) + 2.5 * _draft_attention(config, rows)


def head_forward_work(config: DraftConfig, rows: RowTotals) -> float:
    """Logits of all labeled places."""
    return rows.places * 2 * config.vocab_size * config.hidden_size


def _draft_context(config: DraftConfig, rows: RowTotals) -> tuple[float, float]:
    """Forward operations over the context: ``fc``, and the key and value projections of all layers."""
    h, keys = config.hidden_size, config.num_key_value_heads * config.head_dim
    fc = rows.context * 2 * len(config.target_layer_ids) * h * h
    return fc, rows.context * config.num_hidden_layers * 4 * h * keys


def _draft_queries(config: DraftConfig, rows: RowTotals) -> float:
    return rows.anchors * config.block_size * 2 * config.num_hidden_layers * draft_query_parameters(config)


def _draft_attention(config: DraftConfig, rows: RowTotals) -> float:
    pairs = config.block_size * (rows.block_pairs + rows.anchors * config.block_size)
    return pairs * config.num_hidden_layers * 4 * config.num_attention_heads * config.head_dim


def _mlp(hidden: int, mlp: MlpShape) -> float:
    """Operations per token."""
    if mlp.experts == 0:
        return 6 * hidden * mlp.width
    shared = 6 * hidden * mlp.shared + 2 * hidden if mlp.shared else 0
    return 2 * hidden * mlp.experts + mlp.active * 6 * hidden * mlp.width + shared


def _delta(hidden: int, delta: DeltaShape) -> float:
    """Operations per token of a gated delta net layer, without its MLP."""
    mixed = 2 * delta.keys + delta.values
    projections = 2 * hidden * (mixed + delta.values + 2 * delta.value_heads) + 2 * delta.values * hidden
    return projections + 2 * mixed * delta.taps + delta.value_heads * (delta_rule(delta) + delta_solve(delta))


def delta_rule(delta: DeltaShape) -> float:
    """Matmuls of the chunked gated delta rule, per token and value head: within the chunk, and with the state."""
    keys, values, chunk = delta.key_dim, delta.value_dim, _DELTA_CHUNK
    return 4 * chunk * keys + 2 * chunk * values + 6 * keys * values


def delta_solve(delta: DeltaShape) -> float:
    """Triangular solves of the chunked gated delta rule, per token and value head."""
    return _DELTA_CHUNK * (delta.key_dim + delta.value_dim)
