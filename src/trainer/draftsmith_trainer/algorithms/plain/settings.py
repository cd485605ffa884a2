"""The settings of plain DFlash: none beyond the backbone's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...draft.config import AlgorithmConfig


@dataclass(frozen=True)
class PlainConfig(AlgorithmConfig):
    """Plain DFlash adds no keys to config.json."""

    name: ClassVar[str] = "plain"
