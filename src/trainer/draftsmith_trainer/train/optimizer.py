"""AdamW on fp32 master weights, with normalisation, clipping and the NaN check all on the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..draft.model import DFlashDraft
from ..train.options import TrainOptions


class Optimizer:
    """Updates a draft's weights. Norms and biases have no weight decay."""

    def __init__(self, draft: DFlashDraft, options: TrainOptions) -> None:
        self._parameters = list(draft.parameters())
        self._clip = options.clip
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self._parameters if p.dim() > 1], "weight_decay": options.weight_decay},
            {"params": [p for p in self._parameters if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self.adam = torch.optim.AdamW(groups, lr=options.lr, betas=(0.9, options.beta2), fused=True)

    def zero_grad(self) -> None:
        """Clears the gradients."""
        self.adam.zero_grad(set_to_none=True)

    def step(self, lr: float, weight: Tensor, world: int, total: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Updates from the gradient of a weighted sum of losses; changes nothing when anything is not finite.

        Args:
            weight: scalar, the sum of weights over all ranks. total: scalar, the sum of losses.
            world: over how many ranks data parallelism averaged the gradient.

        Returns:
            The norm of the gradient of the weighted mean, before clipping; whether all was finite; and the number of
            the first parameter whose gradient was not (0 if all were). Scalars on the device.
        """
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        scale = (world / weight.clamp(min=1e-12)).float()
        # torch.nn.utils.get_total_norm, which keeps the norms of the parameters to itself.
        norms = torch.stack(torch._foreach_norm(gradients, 2.0))
        norm = torch.linalg.vector_norm(norms, 2.0) * scale
        finite = torch.isfinite(norm) & torch.isfinite(total)
        if self._clip is not None:
            scale = scale * (self._clip / (norm + 1e-6)).clamp(max=1.0)
        if scale.is_cuda:
            # The update reads the gradients anyway; on the CPU they are scaled first, so that its results stay what
            # they were.
            self.adam.grad_scale = 1 / scale  # type: ignore[attr-defined]
        else:
            torch._foreach_mul_(gradients, scale)
        for group in self.adam.param_groups:
            group["lr"] = lr
        # The interface by which GradScaler tells a fused optimizer to skip: no number has to reach the host.
        self.adam.found_inf = (~finite).float()  # type: ignore[attr-defined]
        self.adam.step()
        return norm, finite, (~torch.isfinite(norms)).int().argmax()
