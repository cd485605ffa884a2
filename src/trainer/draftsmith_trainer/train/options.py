"""The ``train`` job's file, with defaults.

The JSON keys are camelCase, the fields here snake_case. Bounds, defaults and choices are those of configs/schema
(test/trainer/jobs/test_schemas.py compares them).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..base.typed_json import at_least
from ..draft.options import DraftOptions
from ..parallel.options import Attention, Device, Dtype, ShardTarget
from .schedule import Schedule

#: What becomes of an unfinished run with other settings.
OnConflict = Literal["refuse", "restart"]


@dataclass(frozen=True)
class TrainOptions:
    """How to train; the documentation's table explains every option."""

    draft: DraftOptions = field(default_factory=DraftOptions)
    epochs: float = at_least(0, 5.0, above=True)
    max_steps: int | None = at_least(1, None)
    max_minutes: float | None = at_least(0, None, above=True)
    batch_size: int = at_least(1, 2)
    accumulate: int = at_least(1, 1)
    max_length: int = at_least(2, 4096)
    max_train_rows: int | None = at_least(1, None)
    anchors: int = at_least(1, 512)
    gamma: float | None = at_least(0, None, above=True)
    dpace_alpha: float | None = at_least(0, None, high=1)
    soft_labels: float | None = at_least(0, None, above=True, high=1)
    soft_temperature: float = at_least(0, 1.0, above=True)
    lr: float = at_least(0, 6e-4, above=True)
    schedule: Schedule = "cosine"
    min_lr_ratio: float = at_least(0, 0.0, high=1)
    warmup: float = at_least(0, 0.04, high=1)
    clip: float | None = at_least(0, 1.0, above=True)
    weight_decay: float = at_least(0, 0.01)
    beta2: float = at_least(0, 0.95, high=1, below=True)
    max_skipped: int = at_least(0, 100)
    max_skipped_in_a_row: int = at_least(0, 5)
    seed: int = at_least(0, 0, high=2**53 - 1)
    dtype: Dtype = "auto"
    device: Device = "auto"
    attention: Attention = "auto"
    threads: int | None = at_least(1, None)
    eval_every: int | None = at_least(1, None)
    eval_rows: int | None = at_least(1, 256)
    checkpoint_every: int = at_least(1, 200)
    keep_last: int = at_least(1, 1)
    keep_every: int | None = at_least(1, None)
    on_conflict: OnConflict = "refuse"
    early_stop_patience: int | None = at_least(1, None)
    early_stop_gain: float = at_least(0, 0.0)
    report_to: list[Literal["tensorboard", "wandb", "mlflow"]] = field(default_factory=list)
    state_cache_mb: int = at_least(0, 2048)
    pack_tokens: int = at_least(128, 16_384)
    draft_tokens: int = at_least(128, 8192)
    slow_recurrence: bool = False
    shard_target: ShardTarget = "auto"
    init_from: Path | None = None

    def decay(self, block_size: int) -> float:
        """gamma of the position decay; the default grows with the block (4 for 8, 5 for 10, 7 for 16)."""
        if self.gamma is not None:
            return self.gamma
        return 4.0 if block_size <= 8 else 5.0 if block_size <= 10 else 7.0


@dataclass(frozen=True)
class TrainJob:
    """``train``: shards and a target in, checkpoints out.

    Attributes:
        resume_dir: what must survive a crash. other_resume_dirs: of unfinished runs of the same step under other
            options, to continue if the options do not change the numbers.
    """

    target: Path
    shards: Path
    work_dir: Path
    resume_dir: Path
    other_resume_dirs: list[Path] = field(default_factory=list)
    options: TrainOptions = field(default_factory=TrainOptions)
