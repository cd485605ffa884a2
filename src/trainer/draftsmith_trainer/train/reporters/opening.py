"""Opens the reporters that a run names; a package that is missing is an error before anything is loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from ...base.errors import UserError
from ...base.events import Events
from ...base.secrets import hide_secrets
from .contract import Reporter, Reporting


@dataclass(frozen=True)
class _Kind:
    """A tracker: the module that it needs, what to install for it, and what opens it."""

    module: str
    install: str
    open: Callable[[Reporting, Events], Reporter]


def _tensorboard(reporting: Reporting, events: Events) -> Reporter:
    from .to_tensorboard import TensorBoardReporter

    return TensorBoardReporter(reporting, events)


def _wandb(reporting: Reporting, events: Events) -> Reporter:
    from .to_wandb import WandbReporter

    return WandbReporter(reporting, events)


def _mlflow(reporting: Reporting, events: Events) -> Reporter:
    from .to_mlflow import MlflowReporter

    return MlflowReporter(reporting, events)


_KINDS = {
    "tensorboard": _Kind("tensorboard", "tensorboard==2.21.0", _tensorboard),
    "wandb": _Kind("wandb", "wandb==0.31.0", _wandb),
    "mlflow": _Kind("mlflow", "mlflow-skinny==3.17.2", _mlflow),
}


def check_reporters(names: Sequence[str]) -> None:
    """Checks that the package of every named reporter is installed.

    Raises:
        UserError: ``reporter-missing`` with the line that installs it.
    """
    for name in names:
        if find_spec(_KINDS[name].module) is None:
            raise UserError(
                "reporter-missing",
                f"reportTo names {name}, and this Python has no package {_KINDS[name].module}",
                f"{sys.executable} -m pip install {_KINDS[name].install} ; or leave it out of reportTo",
                "reportTo",
            )


def open_reporters(names: Sequence[str], reporting: Reporting, events: Events) -> Reporter:
    """All named reporters as one. One that fails later is dropped with a warning: it must not end a training.

    Raises:
        UserError: ``reporter-failed`` for one that cannot be opened.
    """
    return _Guarded({name: _opened(name, reporting, events) for name in dict.fromkeys(names)}, events)


def _opened(name: str, reporting: Reporting, events: Events) -> Reporter:
    try:
        return _KINDS[name].open(reporting, events)
    except Exception as error:  # trackers raise anything, from network errors to their own
        raise UserError(
            "reporter-failed",
            f"{name} cannot be opened: {hide_secrets(f'{type(error).__name__}: {error}')}",
            "check the tracker's environment variables and its server, or leave it out of reportTo",
            "reportTo",
        ) from error


class _Guarded:
    """Reporters of which each may fail without the others, and without the run."""

    def __init__(self, reporters: dict[str, Reporter], events: Events) -> None:
        self._reporters, self._events = reporters, events

    def log(self, step: int, values: dict[str, float]) -> None:
        for name, reporter in list(self._reporters.items()):
            self._try(name, lambda reporter=reporter: reporter.log(step, values))  # type: ignore[misc]

    def close(self) -> None:
        for name, reporter in list(self._reporters.items()):
            self._try(name, reporter.close)

    def _try(self, name: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # trackers raise anything, from network errors to their own
            del self._reporters[name]
            reason = hide_secrets(f"{type(error).__name__}: {error}")
            self._events.log(f"{name} takes no more metrics of this run ({reason}); metrics.jsonl has them all", "warn")
