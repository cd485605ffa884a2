"""A draft's config.json as a document: keys that engines require, and keys that engines read differently."""

from __future__ import annotations

from typing import Any

from ..draft.config import Problem

Document = dict[str, Any]


def document_problems(document: Document) -> list[Problem]:
    """Every reason why engines would refuse the document or read another draft from it than this package does.

    ``rotary_problem`` in :mod:`.contract` judges the rotary mode itself.

    Args:
        document: a config.json that ``config_in`` can read.
    """
    found = [_architecture(document), _model_type(document), _positions(document), _block_size(document)]
    found += [_theta(document), _factor(document), _sections(document)]
    return [problem for problem in found if problem is not None]


def rope_key(document: Document) -> str:
    """The key of the rotary settings: transformers 5 writes ``rope_parameters``, earlier versions ``rope_scaling``."""
    return "rope_scaling" if document.get("rope_parameters") is None else "rope_parameters"


def _architecture(document: Document) -> Problem | None:
    if not document.get("architectures"):
        return Problem("architectures", "is missing, and engines find the draft class by it")
    return None


def _model_type(document: Document) -> Problem | None:
    if document.get("model_type") != "qwen3":
        return Problem("model_type", "must be qwen3: AutoConfig must know the type, and the draft is a dense Qwen3")
    return None


def _positions(document: Document) -> Problem | None:
    if document.get("max_position_embeddings") is None:
        return Problem("max_position_embeddings", "is missing; SGLang compares it with the served context")
    return None


def _block_size(document: Document) -> Problem | None:
    outer, inner = document.get("block_size"), document["dflash_config"].get("block_size")
    if outer is None and inner is None:
        return Problem("block_size", "is missing; SGLang would assume 16")
    if outer is not None and inner is not None and outer != inner:
        return Problem("block_size", f"is {outer}, but dflash_config says {inner}")
    return None


def _theta(document: Document) -> Problem | None:
    where = rope_key(document)
    outer, inner = document.get("rope_theta"), (document.get(where) or {}).get("rope_theta")
    if outer is None and inner is None:
        return Problem("rope_theta", "is missing; engines would assume 10000")
    if outer is not None and inner is not None and outer != inner:
        return Problem("rope_theta", f"is {outer}, but {where} says {inner}: engines differ in which one they read")
    return None


def _factor(document: Document) -> Problem | None:
    where = rope_key(document)
    outer, inner = document.get("partial_rotary_factor"), (document.get(where) or {}).get("partial_rotary_factor")
    if (1 if outer is None else outer) == (1 if inner is None else inner):
        return None
    key = "partial_rotary_factor" if inner is None else f"{where}.partial_rotary_factor"
    return Problem(key, "is set in one place only: SGLang reads it at the top level, vLLM in the rotary settings")


def _sections(document: Document) -> Problem | None:
    where = rope_key(document)
    if (document.get(where) or {}).get("mrope_section") == []:
        return Problem(f"{where}.mrope_section", "is an empty list, which vLLM takes for 3-D positions")
    return None
