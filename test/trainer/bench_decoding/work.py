"""Operations of one forward of a Qwen3-VL text model: twice the products' multiplications, attention included."""

from __future__ import annotations

from typing import Any


def forward_operations(config: Any, tokens: int, pairs: int, heads: int) -> float:
    """Of the products in one forward.

    Args:
        config: the text config of a dense model. tokens: that pass the layers. pairs: of query and key tokens.
        heads: tokens whose logits are computed.
    """
    width, head = config.hidden_size, config.head_dim
    queries, keys = config.num_attention_heads * head, config.num_key_value_heads * head
    layer = width * (2 * queries + 2 * keys) + 3 * width * config.intermediate_size
    attention = 2 * queries * pairs
    return 2.0 * (config.num_hidden_layers * (layer * tokens + attention) + width * config.vocab_size * heads)
