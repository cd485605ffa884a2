"""The options of a new draft."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..base.typed_json import at_least, each_at_least


@dataclass(frozen=True)
class DraftOptions:
    """The draft's geometry; None means "derive it from the target"."""

    layers: int = at_least(1, 5)
    block_size: int = at_least(2, 8, high=64)
    target_layer_ids: list[int] | None = field(default=None, metadata=each_at_least(0, fewest=1))
    target_layer_count: int = at_least(1, 5)
    intermediate_size: int | None = at_least(1, None)
    heads: int | None = at_least(1, None)
    kv_heads: int | None = at_least(1, None)
    head_dim: int | None = at_least(2, None)
    mask_token_id: int | None = at_least(0, None)
    rotary: Literal["plain", "partial", "mrope"] = "plain"
    sliding_layers: list[int] = field(default_factory=list, metadata=each_at_least(0))
    sliding_window: int | None = at_least(1, None)
    head: str = "plain"  # a name in the registry of algorithms
