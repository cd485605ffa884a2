"""Where a shards artifact keeps its files, and whether they are all there and whole.

The layout is the shard stage's (src/stages/shard/README.md). Shards written before rows and images had folders of their
own hold all files at the top, under the toolkit's own names of the splits.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from ..base.errors import UserError

#: Part -> beginning of its file names, in the present layout and in the older one.
_PREFIXES = {
    "train": ("rows/train", "train"),
    "heldout": ("rows/validation", "heldout"),
    "images": ("images/images", "images"),
}
_BLOCK = 1 << 20


def shard_files(directory: Path, part: str) -> list[Path]:
    """The files of ``part`` (``train``, ``heldout`` or ``images``) in order, in whichever layout; empty without any.

    Raises:
        UserError: ``shards-damaged`` when a numbered file is missing.
    """
    for prefix in _PREFIXES[part]:
        files = sorted(directory.glob(f"{prefix}-*-of-*.arrow"))
        if files:
            _check_numbers(files)
            return files
    return []


def check_files(directory: Path, files: list[Path]) -> None:
    """Compares files with the sizes and hashes of the artifact's manifest; without a manifest, checks nothing.

    Reads every byte once: about 1.5 GB/s, from memory what training reads next.

    Raises:
        UserError: ``shards-damaged``, naming the first file that differs.
    """
    listed = _listed(directory)
    for path in files:
        wanted = listed.get(path.relative_to(directory).as_posix())
        if wanted is None:
            continue
        size = path.stat().st_size
        if size != wanted["bytes"]:
            raise _damaged(path, f"it has {size} bytes, the manifest says {wanted['bytes']}")
        if _sha256(path) != wanted["sha256"]:
            raise _damaged(path, "its content is not the one that the manifest lists")


def _check_numbers(files: list[Path]) -> None:
    counts = {int(re.split("-of-|[.]", path.name)[1]) for path in files}
    if counts != {len(files)}:
        wanted = " or ".join(str(count) for count in sorted(counts))
        raise _damaged(files[0].parent, f"it holds {len(files)} of {wanted} files like {files[0].name}")


def _listed(directory: Path) -> dict[str, dict[str, Any]]:
    manifest = directory / "manifest.json"
    if not manifest.is_file():
        return {}
    try:
        return {file["path"]: file for file in json.loads(manifest.read_text("utf-8"))["files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(manifest, f"it cannot be read ({error})") from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _damaged(path: Path, why: str) -> UserError:
    return UserError("shards-damaged", f"{path} is damaged: {why}", "run the shard step again, or copy the files again")
