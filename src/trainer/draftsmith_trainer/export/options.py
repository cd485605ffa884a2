"""The ``export`` job's file, with defaults.

The JSON keys are camelCase, the fields here snake_case. Bounds, defaults and choices are those of configs/schema
(test/trainer/jobs/test_schemas.py compares them).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..base.typed_json import at_least, matching


@dataclass(frozen=True)
class ExportOptions:
    """Which checkpoint to export, and how."""

    checkpoint: str = matching(r"best|last|untrained|step-\d{8}", "best")
    dtype: Literal["bf16", "fp32"] = "bf16"
    allow_rotary: list[Literal["partial", "mrope"]] = field(default_factory=list)
    max_position_embeddings: int | None = at_least(1, None)


@dataclass(frozen=True)
class ExportJob:
    """``export``: a checkpoint in, a directory that SGLang and vLLM load out."""

    target: Path
    checkpoints: Path
    work_dir: Path
    options: ExportOptions = field(default_factory=ExportOptions)
