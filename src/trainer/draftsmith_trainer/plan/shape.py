"""The dimensions of a target that determine its parameters and operations, for all supported model types."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..base.errors import UserError

LayerKind = Literal["attention", "delta"]


@dataclass(frozen=True)
class MlpShape:
    """A layer's MLP.

    Dense: ``width`` alone. MoE: ``experts`` of ``width``, ``active`` of them per token, and a shared expert of width
    ``shared`` (0 for none).
    """

    width: int
    experts: int = 0
    active: int = 0
    shared: int = 0


@dataclass(frozen=True)
class DeltaShape:
    """A gated delta net (GDN) layer: heads and widths of keys and values, and taps of its convolution."""

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    taps: int

    @property
    def keys(self) -> int:
        """Channels of all keys (and of all queries)."""
        return self.key_heads * self.key_dim

    @property
    def values(self) -> int:
        """Channels of all values."""
        return self.value_heads * self.value_dim


@dataclass(frozen=True)
class TextShape:
    """The language model. ``gated``: queries have an output gate of the same width. ``delta``: shape of GDN layers."""

    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool
    bias: bool
    gated: bool
    layers: tuple[LayerKind, ...]
    mlps: tuple[MlpShape, ...]
    delta: DeltaShape | None


@dataclass(frozen=True)
class TowerShape:
    """The vision tower. ``mergers``: the final one and those of deepstack. ``patch``: numbers per patch."""

    depth: int
    hidden: int
    intermediate: int
    heads: int
    out: int
    merge: int
    patch: int
    positions: int
    deepstack: int


@dataclass(frozen=True)
class TargetShape:
    """A target: what :func:`read_shape` found in its config.json."""

    model_type: str
    text: TextShape
    tower: TowerShape


def read_shape(directory: Path) -> TargetShape:
    """Reads ``directory/config.json``, whose ``model_type`` :func:`~..target.spec.read_spec` has accepted.

    Raises:
        UserError: ``target-config`` for a missing key or an invalid value.
    """
    path = directory / "config.json"
    try:
        return shape_of(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise UserError("target-missing", f"{path} cannot be read: {error.strerror}") from error
    except KeyError as missing:
        raise UserError("target-config", f"{path} lacks {missing}") from missing
    except (TypeError, ValueError, IndexError) as error:
        raise UserError("target-config", f"{path}: a width or a list of layers is wrong: {error}") from error


def shape_of(config: dict[str, Any]) -> TargetShape:
    """The shape that a parsed config.json describes. Keys that transformers has a default for may be missing."""
    kind = str(config["model_type"])
    text, vision = config["text_config"], config["vision_config"]
    return TargetShape(kind, _text(kind, config, text), _tower(vision))


def _text(kind: str, config: dict[str, Any], text: dict[str, Any]) -> TextShape:
    hidden, heads, count = (int(text[key]) for key in ("hidden_size", "num_attention_heads", "num_hidden_layers"))
    hybrid = kind.startswith("qwen3_5")
    return TextShape(
        hidden=hidden,
        heads=heads,
        kv_heads=int(text.get("num_key_value_heads") or heads),
        head_dim=int(text.get("head_dim") or hidden // heads),
        vocab=int(text["vocab_size"]),
        tied=bool(config.get("tie_word_embeddings", False)),
        bias=bool(text.get("attention_bias", False)),
        gated=hybrid,
        layers=_kinds(text, count, hybrid),
        mlps=tuple(_mlp(text, i, moe=kind.endswith("_moe")) for i in range(count)),
        delta=_delta(text) if hybrid else None,
    )


def _kinds(text: dict[str, Any], count: int, hybrid: bool) -> tuple[LayerKind, ...]:
    # Only Qwen3.5 mixes layer types; in other model types every entry of the list is the same.
    types = text.get("layer_types") if hybrid else ["full_attention"] * count
    every = int(text.get("full_attention_interval", 4))
    kinds: list[LayerKind] = []
    for i in range(count):
        linear = types[i] == "linear_attention" if types is not None else (i + 1) % every != 0
        kinds.append("delta" if linear else "attention")
    return tuple(kinds)


def _mlp(text: dict[str, Any], layer: int, moe: bool) -> MlpShape:
    experts = int(text.get("num_experts") or text.get("num_local_experts") or 0) if moe else 0
    step = int(text.get("decoder_sparse_step", 1))
    if experts == 0 or layer in (text.get("mlp_only_layers") or ()) or (layer + 1) % step:
        return MlpShape(int(text["intermediate_size"]))
    return MlpShape(
        width=int(text["moe_intermediate_size"]),
        experts=experts,
        active=int(text["num_experts_per_tok"]),
        shared=int(text.get("shared_expert_intermediate_size") or 0),
    )


def _delta(text: dict[str, Any]) -> DeltaShape:
    # The defaults are transformers' (Qwen3_5TextConfig), 5.17 to 5.23.
    return DeltaShape(
        key_heads=int(text.get("linear_num_key_heads", 16)),
        value_heads=int(text.get("linear_num_value_heads", 32)),
        key_dim=int(text.get("linear_key_head_dim", 128)),
        value_dim=int(text.get("linear_value_head_dim", 128)),
        taps=int(text.get("linear_conv_kernel_dim", 4)),
    )


def _tower(vision: dict[str, Any]) -> TowerShape:
    side, frames = int(vision.get("patch_size", 16)), int(vision.get("temporal_patch_size", 2))
    return TowerShape(
        depth=int(vision["depth"]),
        hidden=int(vision["hidden_size"]),
        intermediate=int(vision["intermediate_size"]),
        heads=int(vision["num_heads"]),
        out=int(vision["out_hidden_size"]),
        merge=int(vision.get("spatial_merge_size", 2)),
        patch=int(vision.get("in_channels", 3)) * frames * side * side,
        positions=int(vision.get("num_position_embeddings", 2304)),
        deepstack=len(vision.get("deepstack_visual_indexes") or ()),
    )
