"""The resumable state of a run: weights, optimizer moments and data position. Safetensors and JSON only.

No generator state is needed: the draft has no dropout, and order and anchors are functions of seed, epoch and row.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..base.files import remove_directory, write_directory, write_json
from ..draft.model import DFlashDraft
from ..parallel.ranks import Ranks
from .snapshot import MOMENTS, Snapshot


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    Attributes:
        step: optimizer steps done. epoch, batch: the next batch to train on.
        skipped: steps among them that changed nothing, because loss or gradient was not finite; skipped_in_a_row: how
            many of them are the latest ones.
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
    skipped: int = 0
    skipped_in_a_row: int = 0
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


@dataclass(frozen=True)
class Saved:
    """A complete state on disk.

    Attributes:
        settings: what the numbers follow from, see :mod:`.settings`; empty in a state of an earlier version.
        layout: how the rows of a step were shared out.
    """

    path: Path
    progress: Progress
    settings: dict[str, Any]
    layout: dict[str, int]


def saved_states(directory: Path) -> list[Saved]:
    """The complete states in ``directory``, the newest first."""
    found = []
    for path in sorted(directory.glob("state-*"), reverse=True):
        told = json.loads((path / "state.json").read_text("utf-8"))
        known = {field.name for field in fields(Progress)}
        progress = Progress(**{name: value for name, value in told["progress"].items() if name in known})
        found.append(Saved(path, progress, told.get("settings", {}), told.get("layout", {})))
    return found


class StateStore:
    """Writes and reads the states in ``directory``, which keeps only the newest.

    Args:
        settings, layout: go into every state, see :class:`Saved`.
    """

    def __init__(self, directory: Path, settings: dict[str, Any], layout: dict[str, int]) -> None:
        self._directory, self._settings, self._layout = directory, settings, layout

    def write(self, progress: Progress, snapshot: Snapshot) -> None:
        """Writes a new state, then removes older ones, so that a kill at any moment leaves a complete one."""

        def fill(path: Path) -> None:
            save_file(snapshot.weights, path / "draft.safetensors")
            save_file(snapshot.moments, path / "optimizer.safetensors")
            write_json(path / "state.json", self._told(progress))

        self._directory.mkdir(parents=True, exist_ok=True)
        kept = self._directory / f"state-{progress.step:08d}"
        write_directory(kept, fill)
        for other in self._directory.glob("state-*"):
            if other != kept:
                remove_directory(other)
        # What a killed process had begun to remove.
        for left in self._directory.glob(".state-*.old"):
            shutil.rmtree(left)

    def amend(self, progress: Progress) -> None:
        """Rewrites what the state of this step says, without its tensors."""
        write_json(self._directory / f"state-{progress.step:08d}" / "state.json", self._told(progress))

    def load(self, draft: DFlashDraft, optimizer: torch.optim.Optimizer) -> Progress | None:
        """Restores the newest state into ``draft`` and ``optimizer``; None when there is none."""
        for saved in saved_states(self._directory):
            draft.load_state_dict(load_file(saved.path / "draft.safetensors"))
            _restore(draft, optimizer, load_file(saved.path / "optimizer.safetensors"), saved.progress)
            return saved.progress
        return None

    def _told(self, progress: Progress) -> dict[str, Any]:
        return {"progress": asdict(progress), "settings": self._settings, "layout": self._layout}


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
                zeros = {m: torch.zeros_like(parameter) for m in MOMENTS}
                optimizer.state[parameter] = {"step": _updates(progress, parameter.device), **zeros}
            for moment in MOMENTS:
                ranks.hand_out(optimizer.state[parameter][moment])
    return progress


def _updates(progress: Progress, device: torch.device) -> Tensor:
    """AdamW counts its updates per parameter: all parameters take part in every step that is not skipped."""
    return torch.tensor(float(progress.step - progress.skipped), device=device)


def _restore(
    draft: DFlashDraft, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], progress: Progress
) -> None:
    for name, parameter in draft.named_parameters():
        if f"{name}.exp_avg" not in tensors:
            continue
        state: dict[str, Tensor] = {m: tensors[f"{name}.{m}"].to(parameter.device) for m in MOMENTS}
        state["step"] = _updates(progress, parameter.device)
        optimizer.state[parameter] = state
