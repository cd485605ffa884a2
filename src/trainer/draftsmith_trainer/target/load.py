"""Loads the part of a target that training needs: vision tower, embedding, lm_head and the first layers."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..base.errors import UserError
from ..kernels import products
from .fp8 import fp8_state_dict
from .shard import shard_layers
from .spec import TargetSpec
from .weights import check_weights

#: transformers reads this key at the top level only; some snapshots have it in text_config.
_UNTIED = "if lm_head is the embedding, config.json must say tie_word_embeddings: true at its top level"


@dataclass(frozen=True)
class Target:
    """A frozen target, truncated after the last layer that a draft reads.

    Attributes:
        model: the transformers model, in eval mode, without gradients.
        layer_ids: the layers whose outputs :func:`.capture_row` concatenates.
        embed: [V, H], the input embedding. lm_head: [V, H], the output matrix (the same tensor when tied).
        sharded: whether each rank holds a share of every layer, so that all must run equally many passes.
        final: whether the states also hold, after those of ``layer_ids``, what lm_head reads: the last layer's output
            after the final norm. All layers run for it.
    """

    spec: TargetSpec
    model: Any
    layer_ids: tuple[int, ...]
    embed: Tensor
    lm_head: Tensor
    sharded: bool = False
    final: bool = False

    @property
    def width(self) -> int:
        """Numbers in the states of one token."""
        return (len(self.layer_ids) + self.final) * self.embed.shape[1]

    def context(self, states: Tensor) -> Tensor:
        """The columns of ``states`` that a draft reads, [..., K*H]."""
        return states[..., : len(self.layer_ids) * self.embed.shape[1]]

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.embed.device


def load_target(
    spec: TargetSpec,
    layer_ids: tuple[int, ...],
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
    whole: bool = False,
    shard: bool = False,
    final: bool = False,
) -> Target:
    """Loads layers 0..max(layer_ids) only; later layers are not read from disk. ``whole`` loads all layers.

    ``final`` also loads all of them, and adds what lm_head reads to the captured states (:attr:`Target.final`).

    ``shard`` spreads the layers over the ranks of the process group. Every rank still reads all of them on the host,
    where weights that are not converted are mapped files, shared by the ranks of a machine; dequantised (FP8) ones and
    stacked experts take their full size for each rank until their layer is sharded.

    Raises:
        UserError: ``target-weights`` when the checkpoint cannot be loaded or lacks weights. Incomplete files are
            detected before anything is loaded.
    """
    check_weights(spec.directory)
    from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, AutoConfig

    _quiet_transformers()
    config = AutoConfig.from_pretrained(spec.directory)
    whole = whole or final
    if not whole:
        cut_config(config, max(layer_ids) + 1)
    source: dict[str, Any] = {"pretrained_model_name_or_path": spec.directory}
    if spec.fp8 is not None:
        _forget_quantization(config)
        layers = None if whole else max(layer_ids) + 1
        weights = fp8_state_dict(spec.directory, spec.fp8, layers, dtype)
        source = {"pretrained_model_name_or_path": None, "state_dict": weights}
    try:
        # The Auto class requires a directory, which a state dict does not have.
        model, report = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[type(config)].from_pretrained(
            **source, config=config, dtype=dtype, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError("target-weights", f"{spec.directory}: the model cannot be loaded: {error}") from error
    missing = sorted(report["missing_keys"])
    if missing:
        # transformers would initialise them randomly and continue.
        message = f"{spec.directory}: {len(missing)} weights are missing, first {missing[0]}"
        raise UserError("target-weights", message, _UNTIED if missing == ["lm_head.weight"] else None)
    if shard:
        model.requires_grad_(False).eval()
        shard_layers(model, torch.device(device))
        _retie(model)
        return _target(spec, model, layer_ids, sharded=True, final=final)
    return freeze(spec, model, layer_ids, device, final)


def freeze(
    spec: TargetSpec,
    model: Any,
    layer_ids: tuple[int, ...],
    device: torch.device | str = "cpu",
    final: bool = False,
) -> Target:
    """Wraps an already loaded model, which may have more layers than needed, as a Target."""
    model.requires_grad_(False).eval().to(device)
    if torch.device(device).type == "cpu":
        for parameter in model.parameters():
            # Memory-mapped weights are not 64-byte aligned, which makes MoE kernels round differently between runs.
            parameter.data = parameter.data.clone()
        _retie(model)
        products.use_in(model)
    return _target(spec, model, layer_ids, final=final)


def _target(
    spec: TargetSpec, model: Any, layer_ids: tuple[int, ...], sharded: bool = False, final: bool = False
) -> Target:
    embed = model.get_input_embeddings().weight
    lm_head = model.get_output_embeddings().weight
    return Target(spec, model, tuple(layer_ids), embed.data, lm_head.data, sharded, final)


def cut_config(config: Any, layers: int) -> None:
    """Truncates the text model of a transformers config to ``layers`` layers, in place."""
    text = config.text_config
    text.num_hidden_layers = layers
    if getattr(text, "layer_types", None):
        text.layer_types = copy.copy(text.layer_types[:layers])


def _forget_quantization(config: Any) -> None:
    """Removes the quantization config: weights are already dequantised, and transformers would require FP8 kernels."""
    for part in (config, config.text_config):
        if hasattr(part, "quantization_config"):
            del part.quantization_config


def _retie(model: Any) -> None:
    if model.config.tie_word_embeddings:
        head: nn.Linear = model.get_output_embeddings()
        head.weight = model.get_input_embeddings().weight


def _quiet_transformers() -> None:
    """Silences the load report, which would list the layers left out on purpose, and the progress bar on stderr."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
