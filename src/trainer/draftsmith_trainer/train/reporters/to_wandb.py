"""Weights & Biases, with a network or without."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

from ...base.events import Events
from .contract import Reporting
from .identity import kept_id


class WandbReporter:
    """Reports to Weights & Biases; project, entity and the rest are set by its own environment variables.

    Without an API key (WANDB_API_KEY, or a login before) the run is kept on disk as with WANDB_MODE=offline, since a
    training cannot answer a prompt. Nothing but metrics and options is sent: no code, git state, console or hardware.
    """

    def __init__(self, reporting: Reporting, events: Events) -> None:
        import wandb

        identity = kept_id(reporting.directory / "wandb.json", lambda: uuid.uuid4().hex)
        mode = os.environ.get("WANDB_MODE") or ("online" if _has_key(wandb) else "offline")
        settings = wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            save_code=False,
            x_disable_meta=True,
            x_disable_stats=True,
        )
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "draftsmith"),
            id=identity,
            resume="allow",
            mode=mode,
            dir=str(reporting.directory),
            config=reporting.options,
            settings=settings,
        )
        # Metrics have their own step: W&B refuses steps before its last one, which a resumed run logs.
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")
        where = f"wandb sync {Path(self._run.dir).parent}" if mode == "offline" else f"{self._run.url}"
        events.log(f"Weights & Biases ({mode}): {where}")

    def log(self, step: int, values: dict[str, float]) -> None:
        """See :class:`.Reporter`."""
        self._run.log({**values, "step": step})

    def close(self) -> None:
        """See :class:`.Reporter`."""
        self._run.finish()


def _has_key(wandb: Any) -> bool:
    return bool(wandb.api.api_key)
