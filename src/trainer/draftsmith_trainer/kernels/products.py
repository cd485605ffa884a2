"""Float32 products on a CPU by oneDNN, with gradients; anything else is ``F.linear``.

PyTorch gives float32 products on x86 to MKL, which leaves half of a non-Intel processor's vector width unused. oneDNN,
which PyTorch carries as well, does not: on a Zen 5 core 512 x 256 @ 256 x 1536 runs at 250 instead of 110 GFLOP/s
(torch 2.15). The operator is the one that torch.compile's CPU backend calls; it is not a public interface, so where it
is missing, MKL does the work.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_NAME = "_linear_pointwise"


def has_onednn() -> bool:
    """Whether this PyTorch carries oneDNN, switched on, with the operator that :func:`linear` needs."""
    mkldnn = torch.backends.mkldnn
    return bool(mkldnn.is_available() and mkldnn.enabled and hasattr(torch.ops.mkldnn, _NAME))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x @ weight.T + bias. Any strides will do: ``linear(x, weight.T)`` is x @ weight.

    Args:
        x: [..., K]. weight: [N, K]. bias: [N].
    """
    if x.is_cuda or not (x.dtype == weight.dtype == torch.float32 and x.numel() and has_onednn()):
        return F.linear(x, weight, bias)
    if torch.is_autocast_enabled("cpu"):
        return F.linear(x, weight, bias)
    if torch.is_grad_enabled() and any(one is not None and one.requires_grad for one in (x, weight, bias)):
        return _Linear.apply(x, weight, bias)
    return _product(x, weight, bias)


class Linear(nn.Linear):
    """A linear layer whose product is :func:`linear`."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., K] -> [..., N]."""
        return linear(x, self.weight, self.bias)


class PatchConv(nn.Conv3d):
    """A convolution over inputs of exactly its kernel's size, as vision towers embed patches: one product."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, t, h, w] -> [N, out, 1, 1, 1]."""
        if x.is_cuda or x.shape[2:] != self.kernel_size:
            return super().forward(x)
        return linear(x.flatten(1), self.weight.flatten(1), self.bias)[:, :, None, None, None]


def use_in(model: nn.Module) -> None:
    """Lets plain linear layers and patch embeddings of a model compute by :func:`linear`; weights and hooks stay."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear
        elif type(module) is nn.Conv3d and module.padding == (0, 0, 0) and module.groups == 1:
            module.__class__ = PatchConv


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    flat = x.reshape(-1, x.shape[-1])
    out: Tensor = getattr(torch.ops.mkldnn, _NAME)(flat, weight, bias, "none", [], "")
    return out.view(*x.shape[:-1], weight.shape[0])


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        flat = grad.reshape(-1, grad.shape[-1])
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            _product(grad, weight.T, None) if of_x else None,
            _product(flat.T, x.reshape(-1, x.shape[-1]).T, None) if of_weight else None,
            flat.sum(dim=0) if of_bias else None,
        )
