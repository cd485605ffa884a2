"""Event files for TensorBoard."""

from __future__ import annotations

from torch.utils.tensorboard import SummaryWriter

from ...base.events import Events
from .contract import Reporting


class TensorBoardReporter:
    """Writes scalars below ``tensorboard`` in the reporter's directory.

    A resumed run opens another file there, which tells TensorBoard to drop what earlier files say of later steps.
    """

    def __init__(self, reporting: Reporting, events: Events) -> None:
        directory = reporting.directory / "tensorboard"
        purge = reporting.step + 1 if reporting.step else None
        self._writer = SummaryWriter(str(directory), purge_step=purge)
        events.log(f"TensorBoard: tensorboard --logdir {directory}")

    def log(self, step: int, values: dict[str, float]) -> None:
        """See :class:`.Reporter`."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """See :class:`.Reporter`."""
        self._writer.close()
