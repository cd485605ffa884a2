"""`torch.ops.sgl_kernel.<name>` for the names that SGLang binds while it is imported."""

from collections.abc import Callable

import torch

from ._stub import stub

# SGLang asks with hasattr whether these exist and has a PyTorch form for when they do not: let it use that.
_OPTIONAL = frozenset({"fused_qk_norm_cpu", "fused_qk_norm_rope_cpu"})


class _Namespace:
    """Stubs for CPU operators; any other name stays missing, else fake-operator registration would want a schema."""

    __name__ = "torch.ops.sgl_kernel"

    def __getattr__(self, name: str) -> Callable[..., object]:
        if "_cpu" not in name or name in _OPTIONAL:
            raise AttributeError(f"torch.ops.sgl_kernel has no operator {name!r}")
        return stub("torch.ops.sgl_kernel", name)


def install() -> None:
    setattr(torch.ops, "sgl_kernel", _Namespace())  # noqa: B010 - torch.ops makes its namespaces on demand, untyped
