"""Maps each Python error code to one of the toolkit's codes (src/base/errors.ts defines their exit codes)."""

from __future__ import annotations

from typing import Literal

ToolkitCode = Literal[
    "USAGE",
    "OPTIONS_INVALID",
    "INPUT_INVALID",
    "ARTIFACT_INVALID",
    "MODEL_INVALID",
    "SERVICE_FAILED",
    "VALIDATION_FAILED",
    "PYTHON_MISSING",
    "TRAINER_FAILED",
    "DISK_FULL",
    "DATA_EMPTY",
    "RESUME_CONFLICT",
]

TOOLKIT_CODES: dict[str, ToolkitCode] = {
    # The command line and job files.
    "unknown-job": "USAGE",
    "bad-job": "TRAINER_FAILED",
    "bad-option": "OPTIONS_INVALID",
    "bad-dtype": "USAGE",
    "bad-layer": "USAGE",
    "unknown-head": "OPTIONS_INVALID",
    "init-from": "OPTIONS_INVALID",
    "no-cuda": "OPTIONS_INVALID",
    "flex-needs-cuda": "OPTIONS_INVALID",
    "no-drafts": "OPTIONS_INVALID",
    "prompt-empty": "INPUT_INVALID",
    "token-range": "INPUT_INVALID",
    "served-layer": "VALIDATION_FAILED",
    "served-states": "VALIDATION_FAILED",
    # Data.
    "shards-missing": "ARTIFACT_INVALID",
    "shards-damaged": "ARTIFACT_INVALID",
    "no-rows": "DATA_EMPTY",
    "image-missing": "ARTIFACT_INVALID",
    "image-damaged": "ARTIFACT_INVALID",
    "image-grid": "VALIDATION_FAILED",
    "image-tokens": "VALIDATION_FAILED",
    "image-count": "VALIDATION_FAILED",
    "video-grid": "VALIDATION_FAILED",
    "video-tokens": "VALIDATION_FAILED",
    "mask-in-data": "VALIDATION_FAILED",
    # Targets.
    "target-missing": "MODEL_INVALID",
    "target-config": "MODEL_INVALID",
    "target-weights": "MODEL_INVALID",
    "target-quantization": "MODEL_INVALID",
    "target-processor": "MODEL_INVALID",
    "target-too-small": "MODEL_INVALID",
    "unknown-target": "MODEL_INVALID",
    "template-missing": "MODEL_INVALID",
    "mask-token": "MODEL_INVALID",
    # Drafts and checkpoints.
    "draft-missing": "ARTIFACT_INVALID",
    "draft-config": "ARTIFACT_INVALID",
    "draft-damaged": "ARTIFACT_INVALID",
    "draft-weights": "ARTIFACT_INVALID",
    "draft-target": "VALIDATION_FAILED",
    "checkpoint-missing": "ARTIFACT_INVALID",
    # The machine, and failures while a job runs.
    "python-package-missing": "PYTHON_MISSING",
    "python-package-old": "PYTHON_MISSING",
    "recurrence-missing": "PYTHON_MISSING",
    "reporter-missing": "PYTHON_MISSING",
    "disk-full": "DISK_FULL",
    "trainer-busy": "TRAINER_FAILED",
    "training-diverged": "TRAINER_FAILED",
    "picture-worker": "TRAINER_FAILED",
    "ranks-differ": "TRAINER_FAILED",
    "rank-lost": "TRAINER_FAILED",
    "rank-died": "TRAINER_FAILED",
    "resume-conflict": "RESUME_CONFLICT",
    "port-taken": "SERVICE_FAILED",
    "reporter-failed": "SERVICE_FAILED",
}
