"""Drafting algorithms: what each adds to the backbone of ``draft``, under one interface, found by name.

Training, evaluation, export, the reference server and draft directories reach an algorithm through this package only.
To add one, write a subclass of :class:`.algorithm.Algorithm` in a package of its own and list it in ``registry``.
"""

from .algorithm import Algorithm, BlockOutputs, ExportContract
from .drafts import block_drafter, new_config, new_draft
from .registry import ALGORITHMS, algorithm_named, algorithm_of
from .store import config_json, load_draft, read_config, save_draft

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "BlockOutputs",
    "ExportContract",
    "algorithm_named",
    "algorithm_of",
    "block_drafter",
    "config_json",
    "load_draft",
    "new_config",
    "new_draft",
    "read_config",
    "save_draft",
]
