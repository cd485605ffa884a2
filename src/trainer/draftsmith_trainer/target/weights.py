"""Finds a target's weight files and checks that they are complete. Reads headers only, and needs no torch."""

from __future__ import annotations

import json
from pathlib import Path

from ..base.errors import UserError
from ..base.weight_file import tensor_names, weight_file_problem

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files that transformers would load: the single one, or those that the index names.

    Raises:
        UserError: ``target-weights`` when there is neither, or the index cannot be used.
    """
    if (directory / SINGLE).exists() or (directory / SINGLE).is_symlink():
        return [directory / SINGLE]
    if not (directory / INDEX).exists():
        others = [path.name for path in sorted(directory.glob("*.bin"))[:1]]
        found = f" ({others[0]} is not read: only safetensors are)" if others else ""
        message = f"{directory} has no weights: neither {SINGLE} nor {INDEX} exists{found}"
        raise UserError("target-weights", message, "is the download complete?")
    return [directory / name for name in sorted(set(_weight_map(directory).values()))]


def check_weights(directory: Path) -> None:
    """Rejects weight files that cannot be loaded, before any expensive work.

    Raises:
        UserError: ``target-weights`` naming the file: missing, a Git LFS pointer, truncated, not safetensors, or
            lacking a tensor that the index lists.
    """
    files = weight_files(directory)
    for path in files:
        problem = weight_file_problem(path)
        if problem is not None:
            raise UserError("target-weights", *problem)
    if files == [directory / SINGLE]:
        return
    held = {path.name: tensor_names(path) for path in files}
    for tensor, name in _weight_map(directory).items():
        if tensor not in held[name]:
            message = f"{directory / name} has no tensor {tensor}, which {INDEX} says it has"
            raise UserError("target-weights", message, "the files are from different snapshots: download them again")


def _weight_map(directory: Path) -> dict[str, str]:
    path = directory / INDEX
    try:
        found = json.loads(path.read_text("utf-8"))["weight_map"]
        pairs = {str(tensor): str(name) for tensor, name in found.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError("target-weights", f"{path} is not a weight index: {error!r}", "download it again") from error
    for name in pairs.values():
        if Path(name).name != name:
            raise UserError("target-weights", f"{path} names {name!r}, which is not a file name in its directory")
    return pairs
