"""One pass of a draft over a batch, the same for training and for evaluation."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..data.batch import Batch
from .attend import BatchAttend
from .config import DraftConfig

#: A draft, or a draft wrapped for data parallelism: called as :meth:`.model.DFlashDraft.forward` is.
DraftModule = Callable[..., Tensor]


def windows_of(config: DraftConfig) -> tuple[int | None, ...]:
    """The distinct windows of a draft's layers."""
    return tuple({config.window_of(layer): None for layer in range(config.num_hidden_layers)})


def run_batch(module: DraftModule, embed: Tensor, states: Tensor, batch: Batch, attend: BatchAttend) -> Tensor:
    """The draft's output for every place of every block, [N, B, H].

    Args:
        embed: [V, H], the target's frozen embedding.
        states: [T, K*H], the buffer that ``batch.offset`` indexes; finite up to offset + C.
        batch, attend: on the device.
    """
    context = states[batch.offset : batch.offset + batch.context]
    noise = embed[batch.ids.flatten()][None]
    positions = [x[..., None, :] for x in (batch.context_positions, batch.positions)]
    hidden = module(context[None], positions[0], noise, positions[1], attend)
    return hidden.view(*batch.ids.shape, -1)
