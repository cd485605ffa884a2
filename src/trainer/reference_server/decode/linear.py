"""Matrix products with fixed weights, by the fastest library that PyTorch has for them.

On a CPU in float32, ``F.linear`` calls MKL, which leaves half of a non-Intel processor's vector width unused. oneDNN,
which PyTorch carries as well, does not: on a Zen 5 core products of 32 to 400 tokens reach 220 to 260 instead of 100 to
115 GFLOP/s (torch 2.15). It wants weights in a layout of its own, so they are copied once.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)

#: Larger models keep one copy of their weights: their products are bound by reading them anyway.
LARGEST_PACKED = 4 << 30
#: Rows for which the layout is chosen; any number can be multiplied.
_USUAL_ROWS = 32


class Product:
    """x -> x @ weight.T + bias.

    Args:
        weight: [N, K]. bias: [N].
        packed: whether to copy the weight into oneDNN's layout, see :func:`can_pack`.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, packed: bool = False) -> None:
        self._bias = bias
        self._packed: Tensor | None = None
        self._weight: Tensor | None = None
        if packed:
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), _USUAL_ROWS)
        else:
            self._weight = weight

    def __call__(self, x: Tensor) -> Tensor:
        """[M, K] -> [M, N]."""
        if self._packed is not None:
            out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], "")
            return out
        assert self._weight is not None
        return F.linear(x, self._weight, self._bias)

    @staticmethod
    def of(linear: nn.Linear, packed: bool) -> Product:
        """The product of a module."""
        return Product(linear.weight, linear.bias, packed)

    @staticmethod
    def joined(linears: Sequence[nn.Linear], packed: bool) -> Product:
        """The products of several modules with one input, side by side.

        Not packed, the modules' weights and biases become views of the joint ones, so that nothing is held twice.
        """
        weight = torch.cat([one.weight.data for one in linears])
        given = [one.bias.data for one in linears if one.bias is not None]
        bias = torch.cat(given) if given else None
        start = 0
        for one in linears if not packed else ():
            end = start + one.weight.shape[0]
            one.weight.data = weight[start:end]
            if bias is not None:
                one.bias.data = bias[start:end]
            start = end
        return Product(weight, bias, packed)


class PackedLinear(nn.Module):
    """A linear layer in oneDNN's layout, for modules that are not ours to take apart."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.product = Product.of(linear, packed=True)

    def forward(self, x: Tensor) -> Tensor:
        """[..., K] -> [..., N]."""
        return self.product(x.flatten(0, -2)).unflatten(0, x.shape[:-1])


def packed_copy(model: M) -> M:
    """A copy of a model whose linear layers are :class:`PackedLinear`."""
    made = copy.deepcopy(model)
    for parent in list(made.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, PackedLinear(child))
    return made


def can_pack(model: Any) -> bool:
    """Whether a model's weights can and should be in oneDNN's layout: float32 on a CPU, and not large."""
    weight = next(model.parameters())
    if weight.device.type != "cpu" or weight.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return False
    size = sum(one.numel() * one.element_size() for one in model.parameters())
    # Names that torch.compile's CPU backend uses too; not a public interface, so their absence is no fault.
    has_names = hasattr(torch.ops.mkldnn, "_linear_pointwise") and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    return bool(torch.backends.mkldnn.enabled) and has_names and size <= LARGEST_PACKED
