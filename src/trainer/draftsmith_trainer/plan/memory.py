"""Memory of one GPU during training, by part.

Weights, optimizer state, captured states and pixels follow from the widths. Activations follow from what the packed
path keeps, which the constants below describe; check them against measured peaks whenever that path changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..draft.config import DraftConfig
from .parameters import TargetParameters, draft_parameters
from .shape import TargetShape, TextShape, TowerShape
from .work import layers_run

#: Bytes of bf16 logits alive at once: LOGITS_BUDGET of losses/frozen_head.
LOGITS_BYTES = 2 * 320 * 2**20
#: CUDA context, library workspaces, collective buffers, and fragmented allocator blocks.
RESERVED_BYTES = 2 * 2**30

#: Bytes per draft parameter: fp32 masters, two fp32 moments, fp32 gradients.
_MASTERS, _MOMENTS, _GRADIENTS = 4, 8, 4


@dataclass(frozen=True)
class Pack:
    """The largest pack of a run: context tokens, blocks of one pass of the draft, and patches of its pictures."""

    tokens: int
    blocks: int
    patches: int


@dataclass(frozen=True)
class Memory:
    """Bytes by part; ``activations``: the larger of target and draft, which are never alive at the same time."""

    parts: dict[str, int]

    @property
    def total(self) -> int:
        """The peak."""
        return sum(self.parts.values())


def training_memory(
    shape: TargetShape,
    kept: TargetParameters,
    config: DraftConfig,
    pack: Pack,
    element: int = 2,
    shards: int = 1,
    soft: bool = False,
) -> Memory:
    """Memory of one training process.

    Args:
        kept: parameters of the truncated target.
        element: bytes per number in computations, 2 for bf16.
        shards: over how many processes the target's layers are spread.
        soft: with soft labels.
    """
    run = layers_run(shape, config, soft)
    layers = kept.layers * element
    # The layer that runs and the next, gathered, each beside the buffer that it is gathered into.
    gathered = 4 * layers // run if shards > 1 else 0
    draft = draft_parameters(config)
    forward = max(pack.tokens * _target_token(shape.text, run), pack.patches * _patch(shape.tower))
    backward = pack.blocks * config.block_size * _draft_position(config) + pack.tokens * _draft_token(config)
    width = (len(config.target_layer_ids) + soft) * config.hidden_size
    return Memory(
        {
            "target layers": layers // shards,
            "gathered layers": gathered,
            "vision tower": kept.tower * element,
            "embedding": kept.embedding * element,
            "lm_head": kept.head * element,
            "draft masters": draft * _MASTERS,
            "draft moments": draft * _MOMENTS,
            "draft gradients": draft * _GRADIENTS,
            "draft computing copy": draft * element if element < 4 else 0,
            "captured states": pack.tokens * width * element,
            "activations": max(forward, backward) * element,
            # Soft labels: chunks of a quarter, with the target's logits and fp32 log-probabilities of both.
            "logits buffer": LOGITS_BYTES * (2 if soft else 1),
            "pictures": pack.patches * shape.tower.patch * element,
            "reserved": RESERVED_BYTES,
        }
    )


def _target_token(text: TextShape, layers: int) -> int:
    """Numbers alive per token inside the widest layer of the frozen target, which keeps nothing for a backward pass."""
    queries = text.heads * text.head_dim * (2 if text.gated else 1) + 2 * text.kv_heads * text.head_dim
    mixers = [2 * queries]
    if text.delta is not None:
        # The chunked form computes in fp32, with queries and keys repeated for every value head.
        mixers.append(2 * (text.delta.keys + text.delta.keys + 2 * text.delta.values) + 4 * text.delta.values)
    mlps = []
    for mlp in text.mlps[:layers]:
        routed = mlp.active * (2 * text.hidden + 3 * mlp.width) + 3 * mlp.shared
        mlps.append(routed if mlp.experts else 3 * mlp.width)
    return 3 * text.hidden + max(*mixers, *mlps)


def _patch(tower: TowerShape) -> int:
    """Numbers alive per patch inside a block of the tower."""
    return 3 * tower.hidden + max(6 * tower.hidden, 2 * tower.intermediate)


def _draft_position(config: DraftConfig) -> int:
    """Numbers kept per block position: by all draft layers for their backward pass, and by the head as its input."""
    queries, keys = config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim
    # Residuals and norms of both halves; queries before and after norm and rotation, and the output of attention;
    # the block's own keys (twice) and values; gate, up and their product.
    layer = 4 * config.hidden_size + 3 * queries + 3 * keys + 3 * config.intermediate_size
    return config.num_hidden_layers * layer + 3 * config.hidden_size


def _draft_token(config: DraftConfig) -> int:
    """Numbers kept per context token: outputs of ``fc`` and its norm, and each layer's keys (twice) and values."""
    keys = config.num_key_value_heads * config.head_dim
    return 2 * config.hidden_size + config.num_hidden_layers * 3 * keys
