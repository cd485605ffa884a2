"""Converts parsed JSON to dataclasses; unknown keys and wrong types are rejected, never ignored."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import re
import types
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import UserError

T = TypeVar("T")


def at_least(
    low: float,
    default: Any = dataclasses.MISSING,
    *,
    above: bool = False,
    high: float = math.inf,
    below: bool = False,
) -> Any:
    """A field whose number must be >= ``low`` (> with ``above``) and <= ``high`` (< with ``below``)."""
    return field(default=default, metadata={"low": low, "above": above, "high": high, "below": below})


def each_at_least(low: float, *, fewest: int = 0) -> dict[str, Any]:
    """Metadata for a list field with at least ``fewest`` numbers, each >= ``low``."""
    return {"items": {"low": low}, "fewest": fewest}


def matching(pattern: str, default: str) -> Any:
    """A string field that must match ``pattern`` in full."""
    return field(default=default, metadata={"pattern": pattern})


def read_job(kind: type[T], path: Path) -> T:
    """Reads and checks a job file.

    Raises:
        UserError: ``bad-job`` when it is missing or not JSON, ``bad-option`` for an unknown key or invalid value.
    """
    try:
        parsed = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError("bad-job", f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError("bad-job", f"{path} is not JSON: {error}") from error
    return parse(kind, parsed, "")


def parse(kind: type[T], value: Any, where: str) -> T:
    """Converts parsed JSON into the dataclass ``kind``; ``where`` is its dotted path, for messages.

    Raises:
        UserError: ``bad-option``.
    """
    if not isinstance(value, dict):
        raise _bad(where, f"{where or 'the job'} must be an object, not {_name(value)}")
    fields = {_camel(f.name): f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    for key in value:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(fields)}"
            raise _bad(_join(where, key), f"unknown option {_join(where, key)}", hint)
    made = {}
    for key, spec in fields.items():
        place = _join(where, key)
        if key in value:
            made[spec.name] = _convert(hints[spec.name], value[key], place, spec.metadata)
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise _bad(place, f"{place} is missing")
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


def _bad(place: str, message: str, hint: str | None = None) -> UserError:
    """An error about an option, named without the job file's ``options.`` prefix, which users do not write."""
    return UserError("bad-option", message, hint, place.removeprefix("options.") or None)


def _convert(hint: Any, value: Any, where: str, limits: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, where, limits)
    if origin is Literal:
        # 1 equals True.
        if not any(value == one and type(value) is type(one) for one in args):
            raise _bad(where, f"{where} must be one of {', '.join(map(repr, args))}, not {value!r}")
        return value
    if origin is list and isinstance(value, list):
        if len(value) < limits.get("fewest", 0):
            raise _bad(where, f"{where} must have at least {limits['fewest']} entries, not {len(value)}")
        return [_convert(args[0], item, f"{where}[{i}]", limits.get("items", {})) for i, item in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {key: _convert(args[1], item, _join(where, key), {}) for key, item in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return parse(hint, value, where)
    if hint is Path and isinstance(value, str) and value:
        return Path(value)
    if hint is str and isinstance(value, str):
        if not re.fullmatch(limits.get("pattern", "(?s:.*)"), value):
            raise _bad(where, f"{where} must match {limits['pattern']}, not {value!r}")
        return value
    if hint is bool and isinstance(value, bool):
        return value
    if hint in (int, float) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number(hint, value, where, limits)
    raise _bad(where, f"{where} must be {_wanted(hint)}, not {_name(value)}")


def _number(hint: type, value: float, where: str, limits: Any) -> float:
    if not math.isfinite(value) or (hint is int and value != int(value)):
        raise _bad(where, f"{where} must be {_wanted(hint)}, not {value}")
    low, above, high = limits.get("low", -math.inf), limits.get("above", False), limits.get("high", math.inf)
    below = limits.get("below", False)
    if value < low or value > high or (above and value == low) or (below and value == high):
        upper = f" and {'less than' if below else 'at most'} {high:.17g}" if high != math.inf else ""
        raise _bad(where, f"{where} must be {'more than' if above else 'at least'} {low:g}{upper}")
    return int(value) if hint is int else float(value)


def _wanted(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a string", Path: "a path"}
    return names.get(hint) or {list: "a list", dict: "an object"}.get(get_origin(hint), "an object")


def _name(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: f"the string {value!r}", bool: str(value).lower()}
    return "null" if value is None else names.get(type(value), repr(value))


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
