"""Checks that a file is complete safetensors from its size and header alone: fast, and without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

#: The longest header that the safetensors library accepts, in bytes.
_LONGEST_HEADER = 100_000_000
_LFS = b"version https://git-lfs.github.com/spec/"
_AGAIN = "download or copy it again"


class Problem(NamedTuple):
    """What is wrong with a file, and how to fix it."""

    message: str
    hint: str


def weight_file_problem(path: Path) -> Problem | None:
    """Why ``path`` cannot be read as safetensors (missing, a Git LFS pointer, another format, truncated), or None."""
    found = _header(path)
    if isinstance(found, Problem):
        return found
    header, begin, size = found
    try:
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        wanted = begin + max(ends, default=0)
    except (KeyError, IndexError, TypeError):
        return Problem(f"{path} is not a safetensors file: a tensor in its header has no data_offsets", _AGAIN)
    if size < wanted:
        return Problem(f"{path} is cut short: it has {size} bytes, its header describes {wanted}", _AGAIN)
    if size > wanted:
        return Problem(f"{path} has {size - wanted} extra bytes after its last tensor", _AGAIN)
    return None


def tensor_names(path: Path) -> set[str]:
    """Names of the tensors in a file that passed :func:`weight_file_problem`."""
    found = _header(path)
    assert not isinstance(found, Problem)
    return found[0].keys() - {"__metadata__"}


def _header(path: Path) -> tuple[dict[str, Any], int, int] | Problem:
    """The parsed header, the byte offset of the data, and the file size in bytes."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if _LFS.startswith(start) and start:
                return _pointer(path, start + file.read(1000), size)
            if size < 8:
                return Problem(f"{path} has {size} bytes: it is empty or was cut short", _AGAIN)
            text = file.read(min(length, _LONGEST_HEADER))
            if length > _LONGEST_HEADER or text[:1] not in (b"{", b""):
                return Problem(f"{path} is not a safetensors file{_guess(start)}", _AGAIN)
            if 8 + length > size:
                return Problem(f"{path} is cut short: it has {size} bytes, its header alone {8 + length}", _AGAIN)
            header = json.loads(text)
    except FileNotFoundError:
        return Problem(f"{path} does not exist", "complete the download")
    except OSError as error:
        return Problem(f"{path} cannot be read: {error.strerror}", "check that it is a file and that you may read it")
    except ValueError:
        return Problem(f"{path} is not a safetensors file: its header is not JSON", _AGAIN)
    assert isinstance(header, dict)  # it begins with a brace
    return header, 8 + length, size


def _pointer(path: Path, text: bytes, size: int) -> Problem:
    sizes = [line[5:].decode() for line in text.splitlines() if line.startswith(b"size ") and line[5:].isdigit()]
    wanted = f" ({sizes[0]} bytes)" if sizes else ""
    return Problem(
        f"{path} is a Git LFS pointer of {size} bytes, not the weights{wanted}",
        "run `git lfs pull` in its directory, or download the file itself",
    )


def _guess(start: bytes) -> str:
    if start.startswith((b"PK", b"\x80")):
        return " but a PyTorch pickle, which is not loaded"
    return ", but an HTML page: the download failed" if start.lstrip().startswith(b"<") else ""
