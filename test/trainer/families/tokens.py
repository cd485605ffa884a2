"""The tokenizer's files, made from the embedded target's, in the form of the published snapshots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .names import ROOT, Family

TINY_GUI = ROOT / "fixtures" / "tiny-gui"
#: Of the vocabulary of Qwen3.5 and later, after those that it shares with Qwen3. Published drafts mask with the first.
SOUND_TOKENS = (
    "<|audio_start|>",
    "<|audio_end|>",
    "<tts_pad>",
    "<tts_text_bos>",
    "<tts_text_eod>",
    "<tts_text_bos_single>",
    "<|audio_pad|>",
)
#: Their split rule: unlike Qwen3's, marks belong to the letters before them.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def write_tokenizer(directory: Path, family: Family, recent: bool) -> dict[str, int]:
    """Writes tokenizer.json, its config, vocabulary, merges and template; returns every token's id.

    Args:
        recent: for Qwen3.5 and later.
    """
    tokenizer = json.loads((TINY_GUI / "tokenizer.json").read_text("utf-8"))
    if recent:
        tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = _SPLIT
        first = tokenizer["added_tokens"][-1]["id"] + 1
        flags = {"special": True, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False}
        for number, content in enumerate(SOUND_TOKENS):
            tokenizer["added_tokens"].append({"id": first + number, "content": content, **flags})
    _write(directory / "tokenizer.json", tokenizer)
    vocabulary = tokenizer["model"]["vocab"]
    _write(directory / "vocab.json", vocabulary)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    (directory / "merges.txt").write_text("\n".join(merges) + "\n", "utf-8")
    template = family.template_text()
    if family.template_file == "chat_template.json":
        _write(directory / family.template_file, {"chat_template": template})
    else:
        (directory / family.template_file).write_text(template, "utf-8")
    added: list[dict[str, Any]] = tokenizer["added_tokens"]
    config = json.loads((TINY_GUI / "tokenizer_config.json").read_text("utf-8"))
    config |= {
        "added_tokens_decoder": {str(one["id"]): {k: v for k, v in one.items() if k != "id"} for one in added},
        "additional_special_tokens": [one["content"] for one in added[1:14]],
        "chat_template": template,
        "model_max_length": 262144,
    }
    _write(directory / "tokenizer_config.json", config)
    return {**vocabulary, **{one["content"]: one["id"] for one in added}}


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8")
