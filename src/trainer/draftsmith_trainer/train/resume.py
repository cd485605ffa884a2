"""Finds the state that a run continues, and refuses what was left by a run with other settings."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.errors import UserError
from ..base.events import Events
from .options import OnConflict
from .settings import changes
from .state import Saved, saved_states

#: What a run keeps in its resume directory and what goes with its state.
_PARTS = ("state-*", "checkpoints", "untrained", "metrics.jsonl")
#: Where a state of other settings waits that ``onConflict: restart`` discards.
_ASIDE = "set-aside"
#: Characters of a value that a message shows.
_SHOWN = 300


@dataclass(frozen=True)
class Resumed:
    """What a run continues with: the rows of a step, which another number of processes does not change."""

    rows_per_step: int


def find_state(
    directory: Path,
    others: list[Path],
    settings: dict[str, Any],
    layout: dict[str, int],
    on_conflict: OnConflict,
    events: Events,
) -> Resumed:
    """Puts the state to continue, if there is one, into ``directory``, and says with how many rows a step.

    Without a state of its own, a run continues that of an unfinished run in ``others`` which differs only in options
    that do not change the numbers.

    Raises:
        UserError: ``resume-conflict`` when there are only states of other settings and ``on_conflict`` is "refuse".
    """
    wanted = Resumed(settings["rowsPerStep"])
    conflicts: list[tuple[Saved, dict[str, tuple[Any, Any]]]] = []
    for place in (directory, *others):
        for saved in saved_states(place):
            resumed = _continuing(saved, settings, layout)
            differing = changes(saved.settings, {**settings, "rowsPerStep": resumed.rows_per_step})
            if differing:
                conflicts.append((saved, differing))
                continue
            if place != directory:
                _adopt(place, directory, events)
            _tell(saved, resumed, layout, events)
            return resumed
        if conflicts and place == directory:
            break
    if not conflicts:
        return wanted
    conflict = _conflict(*conflicts[0])
    if on_conflict == "refuse":
        raise conflict
    events.log(f"discarding earlier work, as onConflict says: {conflict.message}", "warn")
    _set_aside(directory)
    return wanted


def _continuing(saved: Saved, settings: dict[str, Any], layout: dict[str, int]) -> Resumed:
    """With another number of processes alone, the rows of a step stay as they were."""
    same = bool(saved.settings) and all(saved.layout[name] == layout[name] for name in ("batchSize", "accumulate"))
    return Resumed(saved.settings["rowsPerStep"] if same else settings["rowsPerStep"])


def _tell(saved: Saved, resumed: Resumed, layout: dict[str, int], events: Events) -> None:
    before, now = saved.layout["processes"], layout["processes"]
    if before != now:
        events.log(
            f"{now} process{'' if now == 1 else 'es'} instead of {before}: each step still learns from"
            f" {resumed.rows_per_step} rows, in the same order"
        )


def _adopt(place: Path, directory: Path, events: Events) -> None:
    """Moves an unfinished run's files over those in ``directory``, which belong to no state."""
    events.log("going on with an unfinished run that differs only in options that do not change the numbers")
    directory.mkdir(parents=True, exist_ok=True)
    # The state comes last: after a crash in between, the next start finds it where it was and moves the rest.
    for pattern in reversed(_PARTS):
        for path in list(place.glob(pattern)):
            old = directory / path.name
            if old.is_dir():
                shutil.rmtree(old)
            path.rename(old)


def _set_aside(directory: Path) -> None:
    """Keeps the discarded run's files until the next that is discarded, or until this one is finished."""
    aside = directory / _ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for pattern in _PARTS:
        for path in directory.glob(pattern):
            path.rename(aside / path.name)


def _conflict(saved: Saved, differing: dict[str, tuple[Any, Any]]) -> UserError:
    name, (before, now) = next(iter(differing.items()))
    return UserError(
        "resume-conflict",
        f"an unfinished run, saved at step {saved.progress.step}, was made with another {', '.join(differing)}:"
        f" {name} was {_show(before)}, now it is {_show(now)} ({saved.path})",
        "go back to the earlier setting to continue, or discard it with onConflict: restart",
    )


def _show(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
