"""Draft directories on disk: config.json and model.safetensors, the layout that engines load."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..base.errors import UserError
from ..base.weight_file import weight_file_problem
from ..draft.config import DraftConfig
from ..draft.model import DFlashDraft
from .registry import algorithm_of
from .settings import config_in, config_json

_DTYPE_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}


def save_draft(draft: DFlashDraft, directory: Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes config.json and model.safetensors (same draft, same bytes) into ``directory``, creating it."""
    write_draft(draft.config, draft.state_dict(), directory, dtype)


def write_draft(config: DraftConfig, tensors: dict[str, Tensor], directory: Path, dtype: torch.dtype) -> None:
    """As :func:`save_draft`, from the tensors of a draft's ``state_dict``."""
    directory.mkdir(parents=True, exist_ok=True)
    weights = directory / "model.safetensors"
    made = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in tensors.items()}
    save_file(made, weights, metadata={"format": "pt"})
    # safetensors makes the file readable by its owner only; the engine often runs as another user.
    weights.chmod(0o644)
    write_config(config.with_dtype(_DTYPE_NAMES[dtype]), directory)


def write_config(config: DraftConfig, directory: Path) -> None:
    """Writes config.json with sorted keys."""
    text = json.dumps(config_json(config), indent=2, sort_keys=True) + "\n"
    (directory / "config.json").write_text(text, "utf-8")


def read_config(directory: Path) -> DraftConfig:
    """Reads ``directory/config.json``.

    Raises:
        UserError: ``draft-missing`` if there is no such file, ``draft-config`` if it does not describe a DFlash draft.
    """
    path = directory / "config.json"
    try:
        parsed = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError("draft-missing", f"no draft in {directory}: config.json is missing") from None
    except ValueError as error:
        raise UserError("draft-config", f"{path} is not JSON: {error}") from error
    return config_in(parsed)


def read_weights(directory: Path) -> dict[str, Tensor]:
    """All tensors of ``directory/model.safetensors``, with any leading ``model.`` stripped from their names.

    Raises:
        UserError: ``draft-missing`` if there is no such file, ``draft-damaged`` if it cannot be read.
    """
    path = directory / "model.safetensors"
    if not path.exists():
        raise UserError("draft-missing", f"no draft in {directory}: model.safetensors is missing")
    problem = weight_file_problem(path)
    if problem is not None:
        raise UserError("draft-damaged", *problem)
    try:
        with safe_open(path, framework="pt") as file:
            return {name.removeprefix("model."): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:
        raise UserError("draft-damaged", f"{path} cannot be read: {error}") from error


def load_draft(directory: Path | str, dtype: torch.dtype = torch.float32) -> DFlashDraft:
    """Loads a draft in eval mode.

    Args:
        directory: holds config.json and model.safetensors.
        dtype: the dtype to cast the weights to.

    Raises:
        UserError: ``draft-missing``, ``draft-config``, ``draft-damaged``, ``draft-weights`` (missing, unknown or
            misshapen tensors, which engines ignore silently).
    """
    directory = Path(directory)
    config = read_config(directory)
    draft = algorithm_of(config).build(config)
    load_weights(draft, read_weights(directory), str(directory))
    return draft.to(dtype).eval()


def load_weights(draft: DFlashDraft, tensors: dict[str, Tensor], source: str) -> None:
    """Copies ``tensors`` into ``draft``; names and shapes must match exactly.

    Raises:
        UserError: ``draft-weights``; the message starts with ``source``.
    """
    problem = weights_problem(draft.config, tensors)
    if problem:
        raise UserError("draft-weights", f"{source}: {problem}")
    draft.load_state_dict(tensors)


def weights_problem(config: DraftConfig, tensors: dict[str, Tensor]) -> str | None:
    """The first difference between ``tensors`` and the algorithm's export contract, or None."""
    wanted = algorithm_of(config).contract.tensors(config)
    missing, unknown = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing:
        return f"weight {missing[0]} is missing ({len(missing)} missing in all)"
    if unknown:
        return f"weight {unknown[0]} is not part of this draft ({len(unknown)} unknown in all)"
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != wanted[name]:
            return f"weight {name} has shape {list(tensor.shape)}, the config asks for {list(wanted[name])}"
        if not torch.isfinite(tensor).all():
            return f"weight {name} holds NaN or infinity"
    return None
