"""The drafts that a run keeps: untrained, best, the last ones and some between, published at the end."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..algorithms.store import save_draft, write_draft
from ..base.files import write_directory, write_json
from ..draft.config import DraftConfig
from ..draft.model import DFlashDraft
from ..measure.interval import pooled_interval
from .options import TrainOptions
from .state import Progress


@dataclass(frozen=True)
class KeepRule:
    """Which drafts are kept besides the best: the ``last`` that were written, and those of every ``every`` steps."""

    last: int = 1
    every: int | None = None

    def due(self, step: int) -> bool:
        """Whether the draft of ``step`` is written and kept whatever it measures."""
        return self.every is not None and step > 0 and step % self.every == 0

    def kept(self, steps: list[int], progress: Progress) -> list[int]:
        """Those of ``steps``, for which there are drafts, that a run at ``progress`` keeps; ascending."""
        # Later ones are of a run that was killed before its state was saved: they are written again or never reached.
        past = sorted(step for step in steps if step <= progress.step)
        chosen = {progress.best_step, progress.last_eval, *past[-self.last :]}
        return [step for step in past if step in chosen or self.due(step)]


def keep_rule(options: TrainOptions) -> KeepRule:
    """The rule that the options ask for."""
    return KeepRule(options.keep_last, options.keep_every)


class Checkpoints:
    """Keeps draft directories under ``resume_dir`` and copies the ones that matter into ``work_dir``.

    The work directory is recreated at every start and becomes the artifact only if the job succeeds; whatever must
    survive a crash lives in the resume directory.
    """

    def __init__(
        self, resume_dir: Path, work_dir: Path, config: DraftConfig, dtype: torch.dtype, rule: KeepRule
    ) -> None:
        self._kept, self._untrained = resume_dir / "checkpoints", resume_dir / "untrained"
        self._work_dir, self._config, self._dtype, self._rule = work_dir, config, dtype, rule

    def clear(self) -> None:
        """Deletes the checkpoints of an earlier run."""
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.rmtree(self._untrained, ignore_errors=True)

    def save_untrained(self, draft: DFlashDraft) -> None:
        """Saves the draft as it is before the first step."""
        write_directory(self._untrained, lambda path: save_draft(draft, path, self._dtype))

    def save(self, step: int, weights: dict[str, Tensor]) -> None:
        """Saves the draft of ``step``, whose tensors are ``weights``."""
        self._kept.mkdir(parents=True, exist_ok=True)
        write_directory(self._kept / _name(step), lambda path: write_draft(self._config, weights, path, self._dtype))

    def prune(self, progress: Progress) -> None:
        """Removes what the rule does not keep. Call it after ``progress`` is on disk, never before."""
        steps = self._steps()
        for step in set(steps) - set(self._rule.kept(steps, progress)):
            shutil.rmtree(self._kept / _name(step))

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
        for step in self._rule.kept(self._steps(), progress):
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

    def _steps(self) -> list[int]:
        return [int(path.name.removeprefix("step-")) for path in self._kept.glob("step-*")]


def _name(step: int) -> str:
    return f"step-{step:08d}"
