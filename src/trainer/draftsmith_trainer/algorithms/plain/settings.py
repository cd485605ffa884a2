"""The settings of plain DFlash: none beyond the backbone's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from ...draft.config import AlgorithmConfig
from ...draft.options import DraftOptions


@dataclass(frozen=True)
class PlainConfig(AlgorithmConfig):
    """Plain DFlash adds no keys to config.json."""

    name: ClassVar[str] = "plain"
    architecture: ClassVar[str] = "DFlashDraftModel"

    @classmethod
    def new(cls, options: DraftOptions) -> Self:
        """See :class:`.AlgorithmConfig`."""
        del options
        return cls()

    @classmethod
    def read_keys(cls, document: dict[str, Any]) -> Self:
        """See :class:`.AlgorithmConfig`."""
        del document
        return cls()

    def write_keys(self, document: dict[str, Any]) -> None:
        """See :class:`.AlgorithmConfig`."""
