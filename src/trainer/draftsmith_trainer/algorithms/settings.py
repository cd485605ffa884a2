"""The algorithms' settings, by name and by the architecture in their drafts' config.json. Needs no torch."""

from __future__ import annotations

from typing import Any

from ..base.errors import UserError
from ..base.fields import Fields
from ..draft.config import AlgorithmConfig, DraftConfig
from ..draft.geometry import draft_config
from ..draft.options import DraftOptions
from ..target.spec import TargetSpec
from .draft_file import read_draft_file
from .plain.settings import PlainConfig

SETTINGS: dict[str, type[AlgorithmConfig]] = {kind.name: kind for kind in (PlainConfig,)}


def settings_named(name: str) -> type[AlgorithmConfig]:
    """The settings class of the algorithm with this name.

    Raises:
        UserError: ``unknown-head``.
    """
    if name not in SETTINGS:
        known = ", ".join(SETTINGS)
        raise UserError("unknown-head", f"draft.head: no draft head is named {name!r}", f"known heads: {known}")
    return SETTINGS[name]


def settings_in(document: dict[str, Any]) -> AlgorithmConfig:
    """The settings in a config.json, whose architecture identifies the algorithm; plain if it names none.

    Raises:
        UserError: ``draft-config`` for an architecture of no known algorithm.
    """
    if "draftsmith_head" in document:  # written by early versions
        return settings_named(str(document["draftsmith_head"])).read_keys(document)
    found = document.get("architectures") or [PlainConfig.architecture]
    found = found if isinstance(found, list) else [found]
    for kind in SETTINGS.values():
        if kind.architecture in found:
            return kind.read_keys(document)
    known = ", ".join(kind.architecture for kind in SETTINGS.values())
    raise UserError("draft-config", f"the draft's architecture is {', '.join(map(str, found))}", f"known: {known}")


def new_config(options: DraftOptions, spec: TargetSpec) -> DraftConfig:
    """The config of a new draft of ``spec``.

    Raises:
        UserError: ``bad-option``, ``unknown-head``, and the errors of the layer rule and the mask id.
    """
    kind = settings_named(options.head)
    if options.config is None:
        return draft_config(options, spec, kind.new(options))
    file = read_draft_file(options.config, spec, settings_in).config
    if file.algorithm.name != options.head:
        message = f"{options.config} describes a draft with the head {file.algorithm.name}, not {options.head}"
        raise UserError("bad-option", message, f"set draft.head to {file.algorithm.name}", field="draft.head")
    return draft_config(options, spec, file.algorithm, file)


def config_notes(options: DraftOptions, spec: TargetSpec) -> list[str]:
    """What to tell the user about the file in ``draft.config``: its keys that have no effect."""
    if options.config is None:
        return []
    unread = read_draft_file(options.config, spec, settings_in).unread
    return [f"draft.config {options.config}: {', '.join(unread)}: no effect on training"] if unread else []


def config_json(config: DraftConfig) -> dict[str, Any]:
    """config.json as SGLang and vLLM read it: the backbone's keys, the architecture, the algorithm's own keys."""
    document = {"architectures": [config.algorithm.architecture], **config.backbone_keys()}
    config.algorithm.write_keys(document)
    return document


def config_in(document: dict[str, Any]) -> DraftConfig:
    """Reads what :func:`config_json` writes, or another engine-ready DFlash draft's config.json (for a warm start).

    Raises:
        UserError: ``draft-config`` when a required key is missing or a value is invalid.
    """
    Fields(document, "the draft's config.json", "draft-config")
    return DraftConfig.from_keys(document, settings_in(document))
