"""Parameter counts of a target and a draft, computed from their widths; equal to those of transformers' models."""

from __future__ import annotations

from dataclasses import dataclass

from ..draft.config import DraftConfig
from .shape import DeltaShape, MlpShape, TextShape, TowerShape


@dataclass(frozen=True)
class TargetParameters:
    """Parameters by part. ``layers``: of the layers counted. ``head``: 0 when tied to the embedding."""

    embedding: int
    layers: int
    head: int
    tower: int

    @property
    def total(self) -> int:
        """All parameters except the text model's final norm."""
        return self.embedding + self.layers + self.head + self.tower


def target_parameters(text: TextShape, tower: TowerShape, layers: int | None = None) -> TargetParameters:
    """Parameters of a target truncated after ``layers`` layers (all by default)."""
    count = len(text.layers) if layers is None else layers
    embedding = text.vocab * text.hidden
    return TargetParameters(
        embedding=embedding,
        layers=sum(layer_parameters(text, i) for i in range(count)),
        head=0 if text.tied else embedding,
        tower=tower_parameters(tower),
    )


def layer_parameters(text: TextShape, layer: int) -> int:
    """Parameters of one decoder layer, norms included."""
    mixer = _attention(text) if text.layers[layer] == "attention" else _delta(text.hidden, text.delta)
    return mixer + _mlp(text.hidden, text.mlps[layer]) + 2 * text.hidden


def tower_parameters(tower: TowerShape) -> int:
    """Parameters of the vision tower: patch and position embeddings, blocks, mergers."""
    h, wide = tower.hidden, tower.intermediate
    embeddings = tower.patch * h + h + tower.positions * h
    block = 4 * h + (3 * h * h + 3 * h) + (h * h + h) + (h * wide + wide) + (wide * h + h)
    merged = tower.merge**2 * h
    merger = merged * merged + merged + merged * tower.out + tower.out
    # Deepstack mergers apply their norm after the shuffle, over the merged width.
    return embeddings + tower.depth * block + (2 * h + merger) + tower.deepstack * (2 * merged + merger)


def draft_parameters(config: DraftConfig) -> int:
    """Trainable parameters; embedding and lm_head are the target's."""
    h, queries = config.hidden_size, config.num_attention_heads * config.head_dim
    keys = config.num_key_value_heads * config.head_dim
    layer = draft_query_parameters(config) + 2 * config.head_dim + 2 * h
    if config.attention_bias:
        layer += queries + 2 * keys + h
    return len(config.target_layer_ids) * h * h + 2 * h + config.num_hidden_layers * layer


def draft_query_parameters(config: DraftConfig) -> int:
    """Parameters of one draft layer's matrices that every block position is multiplied by."""
    h = config.hidden_size
    width = (2 * config.num_attention_heads + 2 * config.num_key_value_heads) * config.head_dim
    return h * width + 3 * h * config.intermediate_size


def _attention(text: TextShape) -> int:
    queries, keys = text.heads * text.head_dim, text.kv_heads * text.head_dim
    asked = queries * (2 if text.gated else 1)
    weights = text.hidden * (asked + 2 * keys) + queries * text.hidden + 2 * text.head_dim
    return weights + (asked + 2 * keys + text.hidden if text.bias else 0)


def _delta(hidden: int, delta: DeltaShape | None) -> int:
    if delta is None:
        return 0
    mixed = 2 * delta.keys + delta.values
    projections = hidden * (mixed + delta.values + 2 * delta.value_heads) + delta.values * hidden
    return projections + mixed * delta.taps + 2 * delta.value_heads + delta.value_dim


def _mlp(hidden: int, mlp: MlpShape) -> int:
    if mlp.experts == 0:
        return 3 * hidden * mlp.width
    shared = 3 * hidden * mlp.shared + hidden if mlp.shared else 0
    return hidden * mlp.experts + mlp.experts * 3 * hidden * mlp.width + shared
