"""Typed job files: what each job may be told, with defaults. Unknown keys and wrong types are refused, never ignored.

The JSON keys are camelCase, the fields here snake_case; the TypeScript schemas mirror these classes.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import re
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import UserError

T = TypeVar("T")
Dtype = Literal["auto", "fp32", "bf16"]
Device = Literal["auto", "cpu", "cuda"]
Attention = Literal["auto", "sdpa", "split", "flex"]


def at_least(low: float, default: Any = dataclasses.MISSING, *, above: bool = False, high: float = math.inf) -> Any:
    """A field whose number must be >= ``low`` (> with ``above``) and <= ``high``."""
    return field(default=default, metadata={"low": low, "above": above, "high": high})


@dataclass(frozen=True)
class DraftOptions:
    """The draft's geometry; None means "derive it from the target"."""

    layers: int = at_least(1, 5)
    block_size: int = at_least(2, 8, high=64)
    target_layer_ids: list[int] | None = None
    target_layer_count: int = at_least(1, 5)
    intermediate_size: int | None = at_least(1, None)
    heads: int | None = at_least(1, None)
    kv_heads: int | None = at_least(1, None)
    head_dim: int | None = at_least(2, None)
    mask_token_id: int | None = at_least(0, None)
    rotary: Literal["plain", "partial", "mrope"] = "plain"
    sliding_layers: list[int] = field(default_factory=list)
    sliding_window: int | None = at_least(1, None)
    head: Literal["plain"] = "plain"


@dataclass(frozen=True)
class TrainOptions:
    """How to train; see the documentation's table for every meaning."""

    draft: DraftOptions = field(default_factory=DraftOptions)
    epochs: float = at_least(0, 5.0, above=True)
    max_steps: int | None = at_least(1, None)
    max_minutes: float | None = at_least(0, None, above=True)
    batch_size: int = at_least(1, 2)
    max_length: int = at_least(2, 4096)
    max_train_rows: int | None = at_least(1, None)
    anchors: int = at_least(1, 512)
    gamma: float | None = at_least(0, None, above=True)
    dpace_alpha: float | None = at_least(0, None, high=1)
    lr: float = at_least(0, 6e-4, above=True)
    min_lr_ratio: float = at_least(0, 0.0, high=1)
    warmup: float = at_least(0, 0.04, high=1)
    clip: float | None = at_least(0, 1.0, above=True)
    weight_decay: float = at_least(0, 0.01)
    beta2: float = at_least(0, 0.95, high=0.9999)
    seed: int = at_least(0, 0, high=2**63 - 1)
    dtype: Dtype = "auto"
    device: Device = "auto"
    attention: Attention = "auto"
    threads: int | None = at_least(1, None)
    eval_every: int | None = at_least(1, None)
    eval_rows: int | None = at_least(1, 256)
    checkpoint_every: int = at_least(1, 200)
    early_stop_patience: int | None = at_least(1, None)
    state_cache_mb: int = at_least(0, 2048)
    init_from: Path | None = None

    @property
    def decay(self) -> float:
        """gamma of the position decay; the default grows with the block (4 for 8, 5 for 10, 7 for 16)."""
        if self.gamma is not None:
            return self.gamma
        return 4.0 if self.draft.block_size <= 8 else 5.0 if self.draft.block_size <= 10 else 7.0


@dataclass(frozen=True)
class TrainJob:
    """``train``: shards and a target in, checkpoints out."""

    target: Path
    shards: Path
    work_dir: Path
    resume_dir: Path
    options: TrainOptions = field(default_factory=TrainOptions)


@dataclass(frozen=True)
class EvaluateOptions:
    """How to measure drafts on held-out rows."""

    split: Literal["heldout", "train"] = "heldout"
    rows: int | None = at_least(1, None)
    max_length: int = at_least(2, 4096)
    batch_blocks: int = at_least(1, 1024)
    dtype: Dtype = "auto"
    device: Device = "auto"
    attention: Attention = "auto"
    threads: int | None = at_least(1, None)
    compare_rows: int | None = at_least(0, 32)
    compare_drafts: list[str] = field(default_factory=lambda: ["trained"])
    break_even: float = at_least(1, 2.5)


@dataclass(frozen=True)
class EvaluateJob:
    """``evaluate``: drafts, shards and a target in, evaluation.json out."""

    target: Path
    shards: Path
    drafts: dict[str, Path]
    work_dir: Path
    options: EvaluateOptions = field(default_factory=EvaluateOptions)


@dataclass(frozen=True)
class ExportOptions:
    """What to hand to an engine."""

    checkpoint: str = "best"
    dtype: Literal["bf16", "fp32"] = "bf16"
    allow_rotary: list[Literal["partial", "mrope"]] = field(default_factory=list)
    max_position_embeddings: int | None = at_least(1, None)


@dataclass(frozen=True)
class ExportJob:
    """``export``: a checkpoint in, a directory that SGLang and vLLM load out."""

    target: Path
    checkpoints: Path
    work_dir: Path
    options: ExportOptions = field(default_factory=ExportOptions)


def read_job(kind: type[T], path: Path) -> T:
    """Reads and checks a job file.

    Raises:
        UserError: ``bad-job`` when it is missing or not JSON, ``bad-option`` for a key or value that cannot be.
    """
    try:
        parsed = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError("bad-job", f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError("bad-job", f"{path} is not JSON: {error}") from error
    return parse(kind, parsed, "")


def parse(kind: type[T], value: Any, where: str) -> T:
    """Turns parsed JSON into the dataclass ``kind``; ``where`` is the dotted path for messages.

    Raises:
        UserError: ``bad-option``.
    """
    if not isinstance(value, dict):
        raise UserError("bad-option", f"{where or 'the job'} must be an object, not {_name(value)}")
    fields = {_camel(f.name): f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    for key in value:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            raise UserError(
                "bad-option",
                f"unknown option {_join(where, key)}",
                f"did you mean {near[0]}?" if near else f"known: {', '.join(fields)}",
            )
    made = {}
    for key, spec in fields.items():
        place = _join(where, key)
        if key in value:
            made[spec.name] = _convert(hints[spec.name], value[key], place, spec.metadata)
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise UserError("bad-option", f"{place} is missing")
    return kind(**made)


def to_json(options: Any) -> Any:
    """A parsed dataclass back as JSON with camelCase keys, defaults filled in (the resolved configuration)."""
    if dataclasses.is_dataclass(options):
        return {_camel(f.name): to_json(getattr(options, f.name)) for f in dataclasses.fields(options)}
    if isinstance(options, dict):
        return {key: to_json(item) for key, item in options.items()}
    if isinstance(options, list):
        return [to_json(item) for item in options]
    return str(options) if isinstance(options, Path) else options


def _convert(hint: Any, value: Any, where: str, limits: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, where, limits)
    if origin is Literal:
        if value not in args:
            raise UserError("bad-option", f"{where} must be one of {', '.join(map(repr, args))}, not {value!r}")
        return value
    if origin is list and isinstance(value, list):
        return [_convert(args[0], item, f"{where}[{i}]", {}) for i, item in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {key: _convert(args[1], item, _join(where, key), {}) for key, item in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return parse(hint, value, where)
    if hint is Path and isinstance(value, str) and value:
        return Path(value)
    if hint is str and isinstance(value, str):
        return value
    if hint in (int, float) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number(hint, value, where, limits)
    raise UserError("bad-option", f"{where} must be {_wanted(hint)}, not {_name(value)}")


def _number(hint: type, value: float, where: str, limits: Any) -> float:
    if not math.isfinite(value) or (hint is int and value != int(value)):
        raise UserError("bad-option", f"{where} must be {_wanted(hint)}, not {value}")
    low, above, high = limits.get("low", -math.inf), limits.get("above", False), limits.get("high", math.inf)
    if value < low or value > high or (above and value == low):
        upper = f" and at most {high:g}" if high != math.inf else ""
        raise UserError("bad-option", f"{where} must be {'more than' if above else 'at least'} {low:g}{upper}")
    return int(value) if hint is int else float(value)


def _wanted(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a string", Path: "a path"}
    return names.get(hint) or {list: "a list", dict: "an object"}.get(get_origin(hint), "an object")


def _name(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: f"the string {value!r}", bool: str(value).lower()}
    return "null" if value is None else names.get(type(value), repr(value))


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
