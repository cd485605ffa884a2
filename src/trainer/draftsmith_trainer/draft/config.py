"""The draft's configuration: the backbone's geometry as a typed value, and as keys of the config.json engines load."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self, cast

from ..base.errors import UserError
from ..base.fields import Fields
from .options import DraftOptions

RotaryMode = Literal["plain", "partial", "mrope"]
LayerType = Literal["full_attention", "sliding_attention"]


@dataclass(frozen=True)
class AlgorithmConfig(ABC):
    """What an algorithm adds to the backbone's geometry; each algorithm subclasses it (``algorithms.settings``)."""

    #: The algorithm's name, as users write it in ``draft.head``.
    name: ClassVar[str]
    #: ``architectures[0]`` of config.json, by which engines find the draft class.
    architecture: ClassVar[str]

    @classmethod
    @abstractmethod
    def new(cls, options: DraftOptions) -> Self:
        """The settings of a new draft.

        Raises:
            UserError: ``draft-config``.
        """

    @classmethod
    @abstractmethod
    def read_keys(cls, document: dict[str, Any]) -> Self:
        """The settings in a config.json.

        Raises:
            UserError: ``draft-config`` when a required key is missing or a value is invalid.
        """

    @abstractmethod
    def write_keys(self, document: dict[str, Any]) -> None:
        """Adds the algorithm's keys to a config.json that holds the backbone's."""


@dataclass(frozen=True)
class Problem:
    """Why a config is invalid.

    Attributes:
        key: the key of config.json.
        says: what is wrong with its value, phrased to follow the key's name.
    """

    key: str
    says: str

    @property
    def sentence(self) -> str:
        """The problem in one sentence."""
        return f"{self.key} {self.says}"


class ImpossibleConfigError(UserError):
    """``draft-config``: an invalid value, named by its key of config.json."""

    def __init__(self, problem: Problem) -> None:
        super().__init__("draft-config", problem.sentence)
        self.problem = problem


@dataclass(frozen=True)
class DraftConfig:
    """Geometry of a dense DFlash draft.

    Symbols used in shapes elsewhere: H ``hidden_size`` (the target's), K ``len(target_layer_ids)``, B ``block_size``,
    D ``head_dim``.

    Attributes:
        target_layer_ids: 0-based, sorted; k means the raw output of target layer k (= HF ``hidden_states[k + 1]``). The
            target's last layer is not allowed: engines cannot capture it, and its ``hidden_states`` entry is normed.
        rotary: ``plain`` is 1-D positions over the whole head, what engines serve. ``partial`` rotates only the first
            ``partial_rotary_factor`` of the head. ``mrope`` takes the target's 3-D positions, interleaved by section.
        layer_types: per layer; a sliding layer sees ``sliding_window`` tokens, itself included, causal in a block.
    """

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    vocab_size: int
    block_size: int
    mask_token_id: int
    target_layer_ids: tuple[int, ...]
    num_target_layers: int
    algorithm: AlgorithmConfig
    rope_theta: float = 1_000_000.0
    rms_norm_eps: float = 1e-6
    max_position_embeddings: int = 262_144
    attention_bias: bool = False
    rotary: RotaryMode = "plain"
    partial_rotary_factor: float = 1.0
    mrope_section: tuple[int, ...] | None = None
    layer_types: tuple[LayerType, ...] = field(default=())
    sliding_window: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    torch_dtype: str = "float32"

    def __post_init__(self) -> None:
        if not self.layer_types:
            object.__setattr__(self, "layer_types", ("full_attention",) * self.num_hidden_layers)
        problem = first_problem(self)
        if problem:
            raise ImpossibleConfigError(problem)

    @property
    def rotary_dim(self) -> int:
        """How many of a head's channels are rotated (even)."""
        return int(self.head_dim * self.partial_rotary_factor) if self.rotary != "plain" else self.head_dim

    def window_of(self, layer: int) -> int | None:
        """The sliding window of a layer in tokens, or None for full attention."""
        return self.sliding_window if self.layer_types[layer] == "sliding_attention" else None

    def with_dtype(self, torch_dtype: str) -> DraftConfig:
        """The same config with weights stored in another dtype."""
        return replace(self, torch_dtype=torch_dtype)

    def backbone_keys(self) -> dict[str, Any]:
        """The backbone's keys of config.json as SGLang and vLLM read them, without architecture and algorithm keys.

        Source: SGLang 0.5.23 loads it with AutoConfig (hence ``model_type: qwen3``) and prefers ``dflash_config`` over
        the top level; older releases read ``rope_theta``, newer ones ``rope_parameters``, so both are written.
        """
        rope: dict[str, Any] = {"rope_type": "default", "rope_theta": self.rope_theta}
        config: dict[str, Any] = {
            "attention_bias": self.attention_bias,
            "attention_dropout": 0.0,
            "block_size": self.block_size,
            "bos_token_id": self.bos_token_id,
            "dflash_config": {
                "block_size": self.block_size,
                "mask_token_id": self.mask_token_id,
                "target_layer_ids": list(self.target_layer_ids),
            },
            "dtype": self.torch_dtype,
            "eos_token_id": self.eos_token_id,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "layer_types": list(self.layer_types),
            "max_position_embeddings": self.max_position_embeddings,
            # Qwen3Config derives default layer_types from it; the depth means that no layer slides by default.
            "max_window_layers": self.num_hidden_layers,
            "model_type": "qwen3",
            "num_attention_heads": self.num_attention_heads,
            "num_hidden_layers": self.num_hidden_layers,
            "num_key_value_heads": self.num_key_value_heads,
            "num_target_layers": self.num_target_layers,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_parameters": rope,
            "rope_scaling": None,
            "rope_theta": self.rope_theta,
            "sliding_window": self.sliding_window,
            "tie_word_embeddings": False,
            "torch_dtype": self.torch_dtype,
            "use_cache": True,
            # Qwen3Config erases sliding_window unless this is true.
            "use_sliding_window": self.sliding_window is not None,
            "vocab_size": self.vocab_size,
        }
        if self.rotary != "plain":
            # SGLang >= 0.5.20 reads the top-level factor, vLLM the nested one: written in both places or in neither.
            config["partial_rotary_factor"] = self.partial_rotary_factor
            rope["partial_rotary_factor"] = self.partial_rotary_factor
        if self.rotary == "mrope":
            rope["mrope_section"] = list(self.mrope_section or ())
            rope["mrope_interleaved"] = True
        return config

    @staticmethod
    def from_keys(config: dict[str, Any], algorithm: AlgorithmConfig) -> DraftConfig:
        """Reads the backbone's keys of a config.json: our own, or another engine-ready DFlash draft's (a warm start).

        Raises:
            UserError: ``draft-config`` when a required key is missing or a value is invalid.
        """
        top = Fields(config, "the draft's config.json", "draft-config")
        flash = top.section("dflash_config")
        rope = top.section("rope_parameters" if top.has("rope_parameters") else "rope_scaling", {})
        factor = top.real("partial_rotary_factor", rope.real("partial_rotary_factor", None))
        section = rope.wholes("mrope_section", ())
        layer_types = top.texts("layer_types", None)
        slides = top.flag("use_sliding_window", False)
        if layer_types == ():
            raise ImpossibleConfigError(Problem("layer_types", "is an empty list"))
        if not slides and "sliding_attention" in (layer_types or ()):
            raise ImpossibleConfigError(
                Problem("use_sliding_window", "must be true, or Qwen3Config discards the window")
            )
        return DraftConfig(
            hidden_size=top.whole("hidden_size"),
            num_hidden_layers=top.whole("num_hidden_layers"),
            num_attention_heads=top.whole("num_attention_heads"),
            num_key_value_heads=top.whole("num_key_value_heads"),
            head_dim=top.whole("head_dim"),
            intermediate_size=top.whole("intermediate_size"),
            vocab_size=top.whole("vocab_size"),
            block_size=flash.whole("block_size", top.whole("block_size", 16)),
            mask_token_id=flash.whole("mask_token_id"),
            target_layer_ids=flash.wholes("target_layer_ids"),
            num_target_layers=top.whole("num_target_layers"),
            algorithm=algorithm,
            # Where both places lack it, engines take Qwen3Config's default.
            rope_theta=rope.real("rope_theta", top.real("rope_theta", 10_000.0)),
            rms_norm_eps=top.real("rms_norm_eps", 1e-6),
            max_position_embeddings=top.whole("max_position_embeddings", 262_144),
            attention_bias=bool(config.get("attention_bias", False)),
            rotary="mrope" if section else "partial" if factor is not None and factor != 1.0 else "plain",
            partial_rotary_factor=factor if factor is not None else 1.0,
            mrope_section=section or None,
            # first_problem names an unknown type.
            layer_types=cast("tuple[LayerType, ...]", layer_types or ()),
            sliding_window=top.whole("sliding_window", None, least=1) if slides else None,
            bos_token_id=top.whole("bos_token_id", None),
            eos_token_id=top.either("eos_token_id", (None,))[0],
            torch_dtype=top.text("dtype", top.text("torch_dtype", "float32")),
        )


def first_problem(config: DraftConfig) -> Problem | None:
    """The first problem found in a config, or None when it is valid."""
    sizes = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim")
    for name in (*sizes, "intermediate_size", "vocab_size"):
        if getattr(config, name) < 1:
            return Problem(name, f"must be at least 1, not {getattr(config, name)}")
    for name in ("rope_theta", "rms_norm_eps"):
        if getattr(config, name) <= 0:
            return Problem(name, f"must be positive, not {getattr(config, name)}")
    if config.block_size < 2:
        return Problem("block_size", f"must be at least 2, not {config.block_size}: the first token is the anchor")
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    if heads % kv_heads:
        return Problem("num_key_value_heads", f"is {kv_heads}, which does not divide the {heads} attention heads")
    if not 0 <= config.mask_token_id < config.vocab_size:
        return Problem("mask_token_id", f"is {config.mask_token_id}, outside the vocabulary of {config.vocab_size}")
    ids = config.target_layer_ids
    if not ids or list(ids) != sorted(set(ids)):
        return Problem("target_layer_ids", f"must be a non-empty ascending list, not {list(ids)}")
    if ids[0] < 0 or ids[-1] > config.num_target_layers - 2:
        last, layers = config.num_target_layers - 2, config.num_target_layers
        return Problem("target_layer_ids", f"must lie in 0..{last} for a target of {layers} layers, not {list(ids)}")
    if len(config.layer_types) != config.num_hidden_layers:
        found, wanted = len(config.layer_types), config.num_hidden_layers
        return Problem("layer_types", f"has {found} entries for {wanted} layers")
    unknown = set(config.layer_types) - {"full_attention", "sliding_attention"}
    if unknown:
        return Problem("layer_types", f"has the unknown entry {sorted(unknown)[0]!r}")
    if "sliding_attention" in config.layer_types and not config.sliding_window:
        return Problem("sliding_window", "is needed where a layer has sliding-window attention")
    if config.rotary_dim < 2 or config.rotary_dim % 2:
        return Problem("head_dim", f"gives a rotated width of {config.rotary_dim}, which must be even and at least 2")
    if config.rotary == "mrope" and sum(config.mrope_section or ()) != config.rotary_dim // 2:
        half = config.rotary_dim // 2
        return Problem("mrope_section", f"{config.mrope_section} must add up to {half}, half the rotated width")
    return None
