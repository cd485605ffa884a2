"""A typed form of ``torch.compiler.disable``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import torch

Function = TypeVar("Function", bound=Callable[..., object])


def eager(function: Function) -> Function:
    """Excludes a function from compiled graphs: its callers are compiled, the function itself runs eagerly."""
    return cast(Function, torch.compiler.disable(function))
