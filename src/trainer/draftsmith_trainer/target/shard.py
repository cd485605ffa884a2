"""A target whose decoder layers are spread over the ranks (FSDP2), for one that does not fit a single GPU.

Each rank keeps an equal share of every decoder layer. Before a layer runs, its weights are gathered from all ranks, the
next layer's while this one computes; after it they are dropped. Tower, embedding, final norm and lm_head stay whole on
every rank: the loss reads the last, and the tower is small (1.1 GiB of the 57 GiB of a Qwen3-VL-30B-A3B).

Gathering is a collective: **every rank must run the same number of target passes**, see :func:`idle_pass`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist

#: Tokens of an idle pass; a compiled layer has a graph of its own for a single one.
_IDLE_TOKENS = 2


def shard_layers(model: Any, device: torch.device) -> None:
    """Leaves this rank's share of every decoder layer of a frozen model on ``device``, and all else whole.

    The weights come from the host layer by layer: the device holds its share and one whole layer at the most.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    text = model.model.language_model
    layers = list(text.layers)
    for layer in layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    for layer, following in pairwise(layers):
        layer.set_modules_to_forward_prefetch([following])
    inside = {id(parameter) for layer in layers for parameter in layer.parameters()}
    whole = {parameter for parameter in text.parameters() if id(parameter) not in inside}
    # The root owns no weights; it is there because layers share streams and prefetch only below a common one.
    fully_shard(text, mesh=mesh, ignored_params=whole)
    model.to(device)
    if device.type == "cpu":
        for parameter in model.parameters():
            if id(parameter) not in inside:
                # Mapped weights are not aligned, see freeze.
                parameter.data = parameter.data.clone()
    # FSDP takes the first module that runs for the root.
    idle_pass(model)


@torch.no_grad()
def idle_pass(model: Any) -> None:
    """Gathers every layer once, as a pass over rows does, on next to no tokens."""
    text = model.model.language_model
    weight = text.embed_tokens.weight
    nothing = weight.new_zeros(1, _IDLE_TOKENS, weight.shape[1])
    positions = torch.arange(_IDLE_TOKENS, device=weight.device).expand(3, 1, _IDLE_TOKENS)
    text(inputs_embeds=nothing, position_ids=positions, use_cache=False)
