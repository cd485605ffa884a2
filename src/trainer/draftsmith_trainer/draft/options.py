"""The options of a new draft."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..base.typed_json import at_least, each_at_least


@dataclass(frozen=True)
class DraftOptions:
    """The draft's geometry.

    None means what the file ``config`` says, or without one a default or what follows from the target
    (:func:`.geometry.draft_config`).
    """

    config: Path | None = None
    layers: int | None = at_least(1, None)
    block_size: int | None = at_least(2, None, high=64)
    target_layer_ids: list[int] | None = field(default=None, metadata=each_at_least(0, fewest=1))
    target_layer_count: int | None = at_least(1, None)
    intermediate_size: int | None = at_least(1, None)
    heads: int | None = at_least(1, None)
    kv_heads: int | None = at_least(1, None)
    head_dim: int | None = at_least(2, None)
    mask_token_id: int | None = at_least(0, None)
    rotary: Literal["plain", "partial", "mrope"] | None = None
    sliding_layers: list[int] | None = field(default=None, metadata=each_at_least(0))
    sliding_window: int | None = at_least(1, None)
    head: str = "plain"  # a name in the registry of algorithms
