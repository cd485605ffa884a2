"""Where and how a job computes, as its options name it."""

from __future__ import annotations

from typing import Literal

Dtype = Literal["auto", "fp32", "bf16"]
Device = Literal["auto", "cpu", "cuda"]
Attention = Literal["auto", "sdpa", "split", "flex", "kernel"]
#: Whether the target is spread over the GPUs; auto: where it does not fit one.
ShardTarget = Literal["auto", True, False]
