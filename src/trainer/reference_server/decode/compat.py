"""Where releases of transformers (5.7 to 5.24) differ in what the decoder uses of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor


def cache_argument(mixer: Any) -> str:
    """By which name a gated delta net takes the cache: ``cache`` from 5.24 on, ``cache_params`` before."""
    # Of the class: an instance's forward may be replaced by one that passes everything on.
    forward: Callable[..., Any] = type(mixer).forward
    return "cache" if "cache" in inspect.signature(forward).parameters else "cache_params"


def recurrent_states(layer: Any) -> tuple[Tensor, Tensor]:
    """Convolution and recurrent states of a cache's linear-attention layer, which some releases number."""
    if isinstance(layer.conv_states, dict):
        return layer.conv_states[0], layer.recurrent_states[0]
    return layer.conv_states, layer.recurrent_states


def set_recurrent_states(layer: Any, conv: Tensor, recurrent: Tensor, has_past: bool) -> None:
    """Makes these tensors the layer's states, to be updated in place."""
    if isinstance(layer.conv_states, dict):
        layer.conv_states[0], layer.recurrent_states[0], layer.has_previous_state[0] = conv, recurrent, has_past
    else:
        layer.conv_states, layer.recurrent_states, layer.has_previous_state = conv, recurrent, has_past
