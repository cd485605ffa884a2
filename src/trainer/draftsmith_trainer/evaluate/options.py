"""The ``evaluate`` job's file, with defaults.

The JSON keys are camelCase, the fields here snake_case. Bounds, defaults and choices are those of configs/schema
(test/trainer/jobs/test_schemas.py compares them).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..base.typed_json import at_least, each_at_least
from ..parallel.options import Attention, Device, Dtype


@dataclass(frozen=True)
class EvaluateOptions:
    """How to evaluate drafts on held-out rows."""

    split: Literal["heldout", "train"] = "heldout"
    rows: int | None = at_least(1, None)
    max_length: int = at_least(2, 4096)
    batch_blocks: int = at_least(1, 1024)
    pack_tokens: int = at_least(128, 16_384)
    slow_recurrence: bool = False
    dtype: Dtype = "auto"
    device: Device = "auto"
    attention: Attention = "auto"
    threads: int | None = at_least(1, None)
    compare_rows: int | None = at_least(0, 32)
    compare_drafts: list[str] = field(default_factory=lambda: ["trained"])
    place_figures: bool = True
    latency_concurrency: list[int] = field(default_factory=list, metadata=each_at_least(1))
    break_even: float = at_least(1, 2.5)


@dataclass(frozen=True)
class ServedRow:
    """A row whose beginning a server was given.

    Attributes:
        split, row: which row. tokens: length of the prompt, its first tokens.
        file: the server's states, raw little-endian float32 [tokens, layers, H].
    """

    split: Literal["train", "heldout"]
    row: int
    tokens: int
    file: Path


@dataclass(frozen=True)
class StatesJob:
    """``states``: compares hidden states that a server returned with captured ones."""

    target: Path
    shards: Path
    layer_ids: list[int] = field(metadata=each_at_least(0, fewest=1))
    rows: list[ServedRow]
    dtype: Dtype = "auto"
    device: Device = "auto"
    threads: int | None = at_least(1, None)


@dataclass(frozen=True)
class EvaluateJob:
    """``evaluate``: drafts, shards and a target in, evaluation.json out."""

    target: Path
    shards: Path
    drafts: dict[str, Path]
    work_dir: Path
    options: EvaluateOptions = field(default_factory=EvaluateOptions)
