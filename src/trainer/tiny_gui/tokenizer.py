"""Trains a byte-level BPE tokenizer with Qwen's split rule and Qwen3-VL's layout of special tokens."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from . import wording
from .draws import Draws
from .screens import LABELS
from .task import TOOLS, Dialogue, draw_dialogue, draw_talk
from .words import COMMON

# transformers' Qwen2Tokenizer uses this rule whatever tokenizer.json says, so the file must contain the same one.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# In Qwen's order. The flag says whether decoding with skip_special_tokens omits the token.
SPECIAL_TOKENS: tuple[tuple[str, bool], ...] = (
    *((f"<|{name}|>", True) for name in ("endoftext", "im_start", "im_end")),
    *((f"<|{name}|>", True) for name in ("object_ref_start", "object_ref_end", "box_start", "box_end")),
    *((f"<|{name}|>", True) for name in ("quad_start", "quad_end", "vision_start", "vision_end", "vision_pad")),
    *((f"<|{name}|>", True) for name in ("image_pad", "video_pad")),
    ("<tool_call>", False),
    ("</tool_call>", False),
    *((f"<|{name}|>", False) for name in ("fim_prefix", "fim_middle", "fim_suffix", "fim_pad")),
    *((f"<|{name}|>", False) for name in ("repo_name", "file_sep")),
    ("<tool_response>", False),
    ("</tool_response>", False),
    ("<think>", False),
    ("</think>", False),
)
EMBEDDING_ROWS = 2048  # more rows than the tokenizer has ids: a spare one is the draft's mask token
MAX_TOKENS = 2000
MAX_LENGTH = 4096


def corpus(dialogues: int = 6000) -> Iterator[str]:
    """The training texts: dialogues of the task, its fixed texts, and common words."""
    for i in range(dialogues):
        draws = Draws("tokenizer", i)
        dialogue = draw_talk(draws) if i % 20 == 0 else draw_dialogue(draws, 1, listing_percent=10)
        yield from _texts(dialogue)
    fixed = [text for texts in wording.SYSTEM_PROMPTS.values() for text in texts]
    fixed.append((Path(__file__).parent / "chat_template.jinja").read_text(encoding="utf-8"))
    fixed.append("\n".join(json.dumps(tool) for tool in TOOLS))
    for text in fixed:
        yield from (text for _ in range(40))
    for label in LABELS:
        yield from (f"{label} {label}\n{label}. {label.lower()}" for _ in range(100))
    for word in (*COMMON, *wording.WORDS):
        yield from (f"{word} {word} {word.capitalize()}" for _ in range(20))


def _texts(dialogue: Dialogue) -> Iterator[str]:
    for message in dialogue.messages:
        content = message["content"]
        yield content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        for call in message.get("tool_calls", ()):
            yield json.dumps(call["function"])


def train() -> Tokenizer:
    """The trained tokenizer with its special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=MAX_TOKENS - len(SPECIAL_TOKENS),
        min_frequency=10,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    for content, special in SPECIAL_TOKENS:
        tokenizer.add_tokens([AddedToken(content, special=special, normalized=False)])
    return tokenizer


def config() -> dict[str, Any]:
    """tokenizer_config.json."""
    return {
        "tokenizer_class": "Qwen2Tokenizer",
        "add_bos_token": False,
        "add_prefix_space": False,
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": MAX_LENGTH,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "unk_token": None,
    }


def main() -> None:
    """Writes tokenizer.json, tokenizer_config.json and chat_template.jinja."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    train().save(str(out / "tokenizer.json"))
    (out / "tokenizer_config.json").write_text(json.dumps(config(), indent=2) + "\n", encoding="utf-8")
    template = (Path(__file__).parent / "chat_template.jinja").read_text(encoding="utf-8")
    (out / "chat_template.jinja").write_text(template, encoding="utf-8")


if __name__ == "__main__":
    main()
