"""A typed form of ``torch.compiler.disable``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import torch

Function = TypeVar("Function", bound=Callable[..., object])


def eager(function: Function) -> Function:
    """Keeps a function out of compiled graphs: what surrounds it is compiled, it runs as written."""
    return cast(Function, torch.compiler.disable(function))
