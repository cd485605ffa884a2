"""Typed lookups in a JSON file from another program; errors name the file and the key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .errors import UserError

T = TypeVar("T")


class WrongFieldError(UserError):
    """A missing key or a value of the wrong type or range.

    Attributes:
        key: dotted keys leading to the value.
    """

    def __init__(self, code: str, message: str, key: str) -> None:
        super().__init__(code, message)
        self.key = key


_REQUIRED: Any = object()


class Fields:
    """A JSON object.

    Args:
        value: the parsed JSON; must be an object.
        source: the file, for messages.
        code: code of the errors raised.
        path: dotted keys leading to this object.

    Raises:
        WrongFieldError: with ``code``, here and in every method, when a value has the wrong type or range. A null value
            counts as absent, because many writers use null that way.
    """

    def __init__(self, value: Any, source: str, code: str, path: str = "") -> None:
        self._source, self._code, self._path = source, code, path
        if not isinstance(value, dict):
            raise self._wrong(path or "the document", value, "an object")
        self._values: dict[str, Any] = value

    def whole(self, key: str, default: Any = _REQUIRED, least: int = 0) -> int:
        """A whole number of at least ``least``; 3.0 counts as one."""

        def convert(value: Any) -> int | None:
            return int(value) if _is_number(value) and value == int(value) and value >= least else None

        return self._take(key, default, f"a whole number from {least}", convert)

    def real(self, key: str, default: Any = _REQUIRED) -> float:
        """A number."""
        return self._take(key, default, "a number", lambda v: float(v) if _is_number(v) else None)

    def wholes(self, key: str, default: Any = _REQUIRED) -> tuple[int, ...]:
        """A list of whole numbers."""
        return self._take(key, default, "a list of whole numbers", _wholes)

    def either(self, key: str, default: Any = _REQUIRED) -> tuple[int, ...]:
        """A whole number or a list of whole numbers, always returned as a tuple."""
        wanted = "a whole number or a list of whole numbers"
        return self._take(key, default, wanted, lambda v: _wholes(v if isinstance(v, list) else [v]) or None)

    def texts(self, key: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        """A list of strings."""

        def convert(value: Any) -> tuple[str, ...] | None:
            return tuple(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else None

        return self._take(key, default, "a list of strings", convert)

    def text(self, key: str, default: Any = _REQUIRED) -> str:
        """A string."""
        return self._take(key, default, "a string", lambda v: v if isinstance(v, str) else None)

    def flag(self, key: str, default: Any = _REQUIRED) -> bool:
        """True or false."""
        return self._take(key, default, "true or false", lambda v: v if isinstance(v, bool) else None)

    def section(self, key: str, default: Any = _REQUIRED) -> Fields:
        """A nested object."""
        value = self._take(key, default, "an object", lambda v: v if isinstance(v, dict) else None)
        return Fields(value, self._source, self._code, self.name(key))

    def has(self, key: str) -> bool:
        """Whether the key is present and not null."""
        return self._values.get(key) is not None

    def name(self, key: str) -> str:
        """The key with the keys that lead to it, joined by dots."""
        return f"{self._path}.{key}" if self._path else key

    def error(self, says: str) -> UserError:
        """An error about this file; ``says`` follows the file's name."""
        return UserError(self._code, f"{self._source}: {says}")

    def _take(self, key: str, default: Any, wanted: str, convert: Callable[[Any], T | None]) -> T:
        value = self._values.get(key)
        if value is None:
            if default is _REQUIRED:
                name = self.name(key)
                raise WrongFieldError(self._code, f"{self._source} lacks {name}, which must be {wanted}", name)
            found: T = default
            return found
        made = convert(value)
        if made is None:
            raise self._wrong(self.name(key), value, wanted)
        return made

    def _wrong(self, name: str, value: Any, wanted: str) -> WrongFieldError:
        shown = repr(value)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        return WrongFieldError(self._code, f"{self._source}: {name} is {shown}, not {wanted}", name)


def _is_number(value: Any) -> bool:
    # Python's JSON reader accepts NaN and Infinity, which no field may hold.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value - value == 0


def _wholes(value: Any) -> tuple[int, ...] | None:
    if not isinstance(value, list) or not all(_is_number(item) and item == int(item) for item in value):
        return None
    return tuple(int(item) for item in value)
