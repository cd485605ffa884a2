"""A copy of a run's weights and optimizer moments in host memory, which a writer may read while training goes on."""

from __future__ import annotations

import torch
from torch import Tensor

from ..draft.model import DFlashDraft

MOMENTS = ("exp_avg", "exp_avg_sq")


class Snapshot:
    """Buffers of one run, filled again at every save: 12 bytes a parameter of the draft, allocated once.

    Attributes:
        step: the optimizer step that the copies are of; -1 before the first.
        weights: fp32, by the draft's parameter names. moments: those of AdamW, as ``name.exp_avg`` and so on.
    """

    def __init__(self) -> None:
        self.step = -1
        self.weights: dict[str, Tensor] = {}
        self.moments: dict[str, Tensor] = {}

    def take(self, step: int, draft: DFlashDraft, optimizer: torch.optim.Optimizer) -> None:
        """Copies the state of ``step``. Nobody may be reading the buffers."""
        for name, tensor in draft.state_dict().items():
            _copy(self.weights, name, tensor)
        for name, parameter in draft.named_parameters():
            state = optimizer.state.get(parameter, {})
            for moment in MOMENTS:
                if moment in state:
                    _copy(self.moments, f"{name}.{moment}", state[moment])
        if any(tensor.is_pinned() for tensor in self.weights.values()):
            # All copies above were queued; one wait for them all.
            torch.cuda.current_stream().synchronize()
        self.step = step


def _copy(buffers: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    tensor = tensor.detach()
    if name not in buffers:
        buffers[name] = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
    buffers[name].copy_(tensor, non_blocking=tensor.is_cuda)
