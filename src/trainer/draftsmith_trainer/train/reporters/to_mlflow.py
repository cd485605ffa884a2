"""MLflow: a tracking server, or a directory."""

from __future__ import annotations

import os
import time
from typing import Any

from ...base.events import Events
from ...base.secrets import hide_secrets
from .contract import Reporting
from .identity import kept_id

#: Most parameters that a run takes in one request, and the longest value.
_PARAMETERS, _LONGEST = 100, 500


class MlflowReporter:
    """Reports to MLFLOW_TRACKING_URI, or below ``mlflow`` in the reporter's directory, as MLFLOW_EXPERIMENT_NAME.

    The client is used, not MLflow's global functions: those print on standard output, where only events belong.
    """

    def __init__(self, reporting: Reporting, events: Events) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self._metric = Metric
        # Without a server: its database stores need packages that the client comes without.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        address = os.environ.get("MLFLOW_TRACKING_URI") or (reporting.directory / "mlflow").resolve().as_uri()
        self._client: Any = MlflowClient(tracking_uri=address)
        self._run = kept_id(reporting.directory / "mlflow.json", lambda: self._create(reporting.options, Param))
        self._client.update_run(self._run, status="RUNNING")
        events.log(f"MLflow: run {self._run} at {hide_secrets(address)}")

    def _create(self, options: dict[str, Any], param: Any) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "draftsmith")
        found = self._client.get_experiment_by_name(name)
        experiment = self._client.create_experiment(name) if found is None else found.experiment_id
        run = str(self._client.create_run(experiment).info.run_id)
        parameters = [param(key, str(value)[:_LONGEST]) for key, value in _flat(options).items()]
        for start in range(0, len(parameters), _PARAMETERS):
            self._client.log_batch(run, params=parameters[start : start + _PARAMETERS])
        return run

    def log(self, step: int, values: dict[str, float]) -> None:
        """See :class:`.Reporter`."""
        now = int(1000 * time.time())
        self._client.log_batch(self._run, metrics=[self._metric(name, one, now, step) for name, one in values.items()])

    def close(self) -> None:
        """See :class:`.Reporter`."""
        self._client.set_terminated(self._run)


def _flat(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in options.items():
        made |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return made
