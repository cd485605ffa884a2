"""Functions that exist only so that `from sgl_kernel import name` succeeds."""

from collections.abc import Callable
from typing import NoReturn


def stub(module: str, name: str) -> Callable[..., object]:
    """Return a function that raises when called; dunder names stay missing, because Python itself probes for them."""
    if name.startswith("__"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    def missing(*args: object, **kwargs: object) -> NoReturn:
        raise NotImplementedError(f"{module}.{name} needs a GPU; the CPU stand-in of sgl_kernel does not have it")

    missing.__name__ = missing.__qualname__ = name
    return missing
