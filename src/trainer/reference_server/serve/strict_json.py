"""JSON as SGLang reads it.

SGLang parses request bodies and tool-call arguments with orjson, which follows RFC 8259 where Python's ``json`` does
not: it accepts UTF-8 only, and refuses NaN, infinities, numbers that overflow a double and lone surrogates. Integers
beyond 64 bits become doubles, as they do there.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

#: Containers inside containers. orjson stops at 1,024; Python's parser, pydantic and templates need several stack
#: frames per level, and CPython allows 1,000 of them.
MAX_DEPTH = 256
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

#: Where a value is: keys and indices from the root.
Path = tuple[str | int, ...]
#: The same as a linked list (parent, key, depth), so that a walk does not copy a path for every value.
_Link = tuple["_Link | None", str | int, int]


class StrictJsonError(ValueError):
    """A text that is not JSON in this strict sense.

    Attributes:
        path: keys and indices that lead to the offending value, or the offset of the offending character.
    """

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.path = path


def loads(raw: bytes | str, repeated_keys: bool = True) -> Any:
    """Parses JSON.

    Args:
        raw: UTF-8 bytes, or a text.
        repeated_keys: whether an object may name a key twice, where the last value wins (as in orjson).

    Raises:
        StrictJsonError: with the reason, and where it is.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
        if text.startswith("\ufeff"):
            raise StrictJsonError("a byte order mark instead of a JSON value", (0,))
        data = (_LENIENT if repeated_keys else _UNIQUE).decode(text)
    except UnicodeDecodeError as error:
        raise StrictJsonError(f"not valid UTF-8 at byte {error.start}", (error.start,)) from error
    except json.JSONDecodeError as error:
        raise StrictJsonError(error.msg, (error.pos,)) from error
    except RecursionError as error:
        raise StrictJsonError(_TOO_DEEP) from error
    _check(data)
    return data


_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


def _check(data: Any) -> None:
    """Looks for lone surrogates and excessive depth, without recursion."""
    stack: list[tuple[Any, _Link | None]] = [(data, None)]
    while stack:
        value, link = stack.pop()
        depth = 1 if link is None else link[2] + 1
        if isinstance(value, str):
            if _broken(value):
                raise StrictJsonError("a string with a lone surrogate", _path(link))
        elif isinstance(value, (dict, list)):
            if depth > MAX_DEPTH:
                raise StrictJsonError(_TOO_DEEP, _path(link)[:8])
            if isinstance(value, dict):
                for key in value:
                    if _broken(key):
                        raise StrictJsonError("a key with a lone surrogate", _path(link))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            stack.extend((item, (link, key, depth)) for key, item in items if isinstance(item, (str, dict, list)))


def _broken(text: str) -> bool:
    return not text.isascii() and _LONE_SURROGATE.search(text) is not None


def _path(link: _Link | None) -> Path:
    keys: list[str | int] = []
    while link is not None:
        keys.append(link[1])
        link = link[0]
    return tuple(reversed(keys))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                shown = key.encode("utf-8", "backslashreplace").decode()
                raise StrictJsonError(f"the key {shown[:100]!r} is given twice in one object", (shown[:100],))
            seen.add(key)
    return out


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise StrictJsonError(f"the number {text[:40]} does not fit a 64-bit float")
    return value


def _int(text: str) -> int | float:
    # 18 digits always fit 64 bits; int() refuses texts of more than 4,300 digits.
    if len(text) <= 18:
        return int(text)
    if len(text) <= 20 and -(1 << 63) <= (value := int(text)) < 1 << 64:
        return value
    return _float(text)


def _constant(text: str) -> Any:
    raise StrictJsonError(f"{text} is not JSON")


def _decoder(pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None) -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=pairs_hook, parse_float=_float, parse_int=_int, parse_constant=_constant)


_LENIENT, _UNIQUE = _decoder(None), _decoder(_unique)
