"""The drafts that a run keeps: best, last and untrained. Collected in resumeDir, published at the end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

from ..algorithms.store import save_draft
from ..base.files import write_directory, write_json
from ..draft.model import DFlashDraft
from ..measure.interval import pooled_interval
from .state import Progress


class Checkpoints:
    """Keeps draft directories under ``resume_dir`` and copies the ones that matter into ``work_dir``.

    The work directory is recreated at every start and becomes the artifact only if the job succeeds; whatever must
    survive a crash lives in the resume directory.
    """

    def __init__(self, resume_dir: Path, work_dir: Path, draft: DFlashDraft, dtype: torch.dtype) -> None:
        self._kept, self._untrained = resume_dir / "checkpoints", resume_dir / "untrained"
        self._work_dir, self._draft, self._dtype = work_dir, draft, dtype

    def clear(self) -> None:
        """Deletes the checkpoints of an earlier run."""
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.rmtree(self._untrained, ignore_errors=True)

    def save_untrained(self) -> None:
        """Saves the draft as it is before the first step."""
        write_directory(self._untrained, lambda path: save_draft(self._draft, path, self._dtype))

    def save(self, step: int) -> None:
        """Saves the draft of ``step``."""
        self._kept.mkdir(parents=True, exist_ok=True)
        write_directory(self._kept / _name(step), lambda path: save_draft(self._draft, path, self._dtype))

    def prune(self, keep: set[int]) -> None:
        """Removes all but ``keep``. Call it after the state that names them is on disk, never before."""
        names = {_name(step) for step in keep}
        for other in self._kept.glob("*"):
            if other.name not in names:
                shutil.rmtree(other)

    def publish(self, progress: Progress, metrics: Path) -> dict[str, Any]:
        """Writes the artifact into the work directory; returns what best.json says about the best draft."""
        best = {
            "path": f"checkpoints/{_name(progress.best_step)}",
            "step": progress.best_step,
            "metric": "pooledAcceptLength",
            "value": progress.best_value,
            "interval": pooled_interval(progress.best_dialogues),
        }
        last = {
            "path": f"checkpoints/{_name(progress.last_eval)}",
            "step": progress.last_eval,
            "value": progress.last_value,
        }
        for step in {progress.best_step, progress.last_eval}:
            shutil.copytree(self._kept / _name(step), self._work_dir / "checkpoints" / _name(step), dirs_exist_ok=True)
        shutil.copytree(self._untrained, self._work_dir / "untrained", dirs_exist_ok=True)
        shutil.copyfile(metrics, self._work_dir / "metrics.jsonl")
        write_json(self._work_dir / "best.json", {**best, "last": last})
        return {
            "path": best["path"],
            "step": best["step"],
            "pooledAcceptLength": best["value"],
            "interval": best["interval"],
        }


def _name(step: int) -> str:
    return f"step-{step:08d}"
