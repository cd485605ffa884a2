"""Captures the outputs of a target's decoder layers during a forward pass, for training and the reference server."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor


class _Stop(Exception):  # noqa: N818 - ends the forward pass early, not an error
    """Raised by the hook of the last captured layer, because later layers are not needed."""


@contextmanager
def captured_layers(layers: Any, layer_ids: Collection[int], stop: bool = False) -> Iterator[dict[int, Tensor]]:
    """Collects the raw output of each layer in ``layer_ids`` while the body runs.

    For every layer but the last this is HF's ``hidden_states[k + 1]``. The last entry of ``hidden_states`` has passed
    the final norm, the last layer's output here has not; engines capture neither, so no draft reads it
    (:func:`~..draft.config.first_problem` rejects it).

    In Qwen3-VL this is the output before deepstack features are added after layers 0..2; from layer 3 on there is no
    difference, which is why the layer rule starts there.

    Args:
        layers: the text model's decoder layers.
        stop: abort the forward pass, and leave the body, after the last of ``layer_ids``.
    """
    taken: dict[int, Tensor] = {}
    last = max(layer_ids, default=-1)

    def hook_for(k: int) -> Any:
        def hook(_module: Any, _inputs: Any, output: Tensor) -> None:
            taken[k] = output
            if stop and k == last:
                raise _Stop

        return hook

    hooks = [layers[k].register_forward_hook(hook_for(k)) for k in layer_ids]
    try:
        yield taken
    except _Stop:
        pass
    finally:
        for hook in hooks:
            hook.remove()
