"""A linear layer that multiplies with a 16-bit copy of its weight, and whose gradient stays in the weight's precision.

Autocast casts every fp32 weight in every pass, and its gradient, computed in 16 bits, back. With a copy that is renewed
once a step there is one cast a step, and the product of the weight's gradient is written in fp32 as it is accumulated.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..kernels.products import linear


class Linear(nn.Linear):
    """``nn.Linear`` with the same parameters; see :class:`WorkingCopies`.

    Attributes:
        working: the weight in 16 bits, or None to multiply with the weight itself. Not part of the state dict.
    """

    working: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] -> [..., out]."""
        if self.working is None:
            return linear(x, self.weight, self.bias)
        out: Tensor = _Product.apply(x.to(self.working.dtype), self.weight, self.working)
        return out if self.bias is None else out + self.bias.to(out.dtype)


class WorkingCopies:
    """Gives every :class:`Linear` of a model with fp32 weights a copy of its weight in ``dtype``.

    Args:
        model: on its device.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        layers = [module for module in model.modules() if isinstance(module, Linear)]
        self._weights = [layer.weight for layer in layers]
        self._copies = [weight.detach().to(dtype) for weight in self._weights]
        for layer, copy in zip(layers, self._copies, strict=True):
            layer.working = copy

    @torch.no_grad()
    def renew(self) -> None:
        """Copies the weights anew; to be called whenever they have changed."""
        torch._foreach_copy_(self._copies, self._weights)


def working_bytes(model: nn.Module) -> int:
    """Bytes of the working copies that ``model`` has."""
    copies = [module.working for module in model.modules() if isinstance(module, Linear)]
    return sum(copy.nbytes for copy in copies if copy is not None)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, working: Tensor) -> Tensor:
        # The weight itself takes part so that the gradient reaches it.
        del weight
        ctx.save_for_backward(x, working)
        return F.linear(x, working)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, working = ctx.saved_tensors
        (grad,) = grads
        down = grad @ working if ctx.needs_input_grad[0] else None
        rows, inputs = grad.flatten(0, -2), x.flatten(0, -2)
        return down, _wide_product(rows.t(), inputs), None


def _wide_product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b of 16-bit matrices in fp32, on CUDA without rounding the sums to 16 bits."""
    return torch.mm(a, b, out_dtype=torch.float32) if a.is_cuda else (a @ b).float()
