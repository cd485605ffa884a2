"""The resumable state of a run: weights, optimizer moments and data position. Safetensors and JSON only.

No generator state is needed: the draft has no dropout, and order and anchors are functions of seed, epoch and row.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..base.files import write_directory
from ..draft.model import DFlashDraft
from ..parallel.ranks import Ranks

_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    Attributes:
        step: optimizer steps done. epoch, batch: the next batch to train on.
        best_step, best_value: the best evaluation so far; misses: evaluations since then that were surely no better.
        last_eval, last_value: the latest one. untrained_value: the one before the first step.
        best_dialogues: the best evaluation's counts by dialogue (:attr:`..measure.tally.Tally.dialogues`).
        metrics_bytes: length of metrics.jsonl that belongs to this state.
        window: steps since the last evaluation, and the sums of their loss and accept length (:class:`.record.Window`).
        seconds: time spent so far, for the time budget.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    best_step: int = -1
    best_value: float = 0.0
    last_eval: int = -1
    last_value: float = 0.0
    untrained_value: float = 0.0
    misses: int = 0
    best_dialogues: dict[str, list[int]] = field(default_factory=dict)
    metrics_bytes: int = 0
    window: list[float] = field(default_factory=lambda: [0, 0.0, 0.0])
    seconds: float = 0.0

    def then(self, **changes: Any) -> Progress:
        """A copy with some fields changed."""
        return replace(self, **changes)


class StateStore:
    """Saves and loads states in ``directory``, which keeps only the newest.

    Args:
        fingerprint: describes the job; a state of another job is not resumed.
    """

    def __init__(self, directory: Path, fingerprint: dict[str, Any]) -> None:
        self._directory = directory
        self._fingerprint = json.loads(json.dumps(fingerprint))

    def save(self, progress: Progress, draft: DFlashDraft, optimizer: torch.optim.Optimizer) -> None:
        """Writes a new state, then removes older ones, so that a kill at any moment leaves a complete one."""

        def fill(path: Path) -> None:
            save_file({name: p.detach().cpu() for name, p in draft.state_dict().items()}, path / "draft.safetensors")
            save_file(_moments(draft, optimizer), path / "optimizer.safetensors")
            text = {"progress": asdict(progress), "fingerprint": self._fingerprint}
            (path / "state.json").write_text(json.dumps(text, indent=2, sort_keys=True), "utf-8")

        self._directory.mkdir(parents=True, exist_ok=True)
        kept = self._directory / f"state-{progress.step:08d}"
        write_directory(kept, fill)
        for other in self._directory.glob("state-*"):
            if other != kept:
                shutil.rmtree(other)

    def load(self, draft: DFlashDraft, optimizer: torch.optim.Optimizer) -> Progress | None:
        """Restores the newest state of this job into ``draft`` and ``optimizer``; None when there is none."""
        for path in sorted(self._directory.glob("state-*"), reverse=True):
            saved = json.loads((path / "state.json").read_text("utf-8"))
            if saved["fingerprint"] != self._fingerprint:
                continue
            draft.load_state_dict(load_file(path / "draft.safetensors"))
            progress = Progress(**saved["progress"])
            _restore(draft, optimizer, load_file(path / "optimizer.safetensors"), progress.step)
            return progress
        return None


def load_everywhere(
    store: StateStore, draft: DFlashDraft, optimizer: torch.optim.Optimizer, ranks: Ranks
) -> Progress | None:
    """As :meth:`StateStore.load`, read by rank 0 alone: the others may be on machines that do not see its files."""
    progress = store.load(draft, optimizer) if ranks.first else None
    told = ranks.tell(None if progress is None else asdict(progress))
    if told is None:
        return None
    progress = Progress(**told)
    moved = set(ranks.tell([name for name, p in draft.named_parameters() if p in optimizer.state]))
    with torch.no_grad():
        for name, parameter in draft.named_parameters():
            ranks.hand_out(parameter)
            if name not in moved:
                continue
            if not ranks.first:
                step = torch.tensor(float(progress.step), device=parameter.device)
                optimizer.state[parameter] = {"step": step} | {m: torch.zeros_like(parameter) for m in _MOMENTS}
            for moment in _MOMENTS:
                ranks.hand_out(optimizer.state[parameter][moment])
    return progress


def _moments(draft: DFlashDraft, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {}
    for name, parameter in draft.named_parameters():
        state = optimizer.state.get(parameter, {})
        tensors.update({f"{name}.{moment}": state[moment].cpu() for moment in _MOMENTS if moment in state})
    return tensors


def _restore(draft: DFlashDraft, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], step: int) -> None:
    for name, parameter in draft.named_parameters():
        if f"{name}.exp_avg" not in tensors:
            continue
        state: dict[str, Tensor] = {m: tensors[f"{name}.{m}"].to(parameter.device) for m in _MOMENTS}
        # AdamW counts its updates per parameter; all parameters take part in every step.
        state["step"] = torch.tensor(float(step), device=parameter.device)
        optimizer.state[parameter] = state
