"""Values of the options that choose device, dtype, attention and sharding."""

from __future__ import annotations

from typing import Literal

Dtype = Literal["auto", "fp32", "bf16"]
Device = Literal["auto", "cpu", "cuda"]
Attention = Literal["auto", "sdpa", "split", "flex", "kernel"]
#: Whether the target is sharded over the GPUs; auto: if it does not fit on one.
ShardTarget = Literal["auto", True, False]
