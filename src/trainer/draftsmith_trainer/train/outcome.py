"""What a finished run says of itself: the facts of its result event, and training.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..algorithms.settings import config_json
from ..base.files import write_json
from ..draft.config import DraftConfig
from .curve import training_report
from .extent import Extent
from .state import Progress


def run_facts(progress: Progress, extent: Extent, config: DraftConfig, stopped: str) -> dict[str, Any]:
    """The facts that every rank knows; ``stopped`` is why the run ended."""
    return {
        "steps": progress.step,
        "epochs": round(progress.step / extent.per_epoch, 4),
        "stopped": stopped,
        "skippedSteps": progress.skipped,
        "untrained": {"pooledAcceptLength": progress.untrained_value},
        "draft": config_json(config),
    }


def write_course(
    directory: Path, metrics: Path, progress: Progress, extent: Extent, config: DraftConfig, stopped: str
) -> None:
    """Writes the run's course, from the lines of ``metrics``, into ``directory``."""
    course = training_report(metrics, progress, extent.per_epoch, config.block_size, stopped)
    write_json(directory / "training.json", course)
