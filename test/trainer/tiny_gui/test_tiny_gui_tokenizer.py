"""The tokenizer file, and transformers' reading of it, which ignores the file's own split rule."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from tiny_gui.tokenizer import EMBEDDING_ROWS, SPECIAL_TOKENS, train
from tokenizers import Tokenizer

FIXTURE = Path(__file__).parents[3] / "fixtures" / "tiny-gui"
RAW = Tokenizer.from_file(str(FIXTURE / "tokenizer.json"))

# any text, and text made of what the split rule treats specially
PIECES = st.sampled_from(
    [
        "'s",
        "'LL",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "1",
        "23",
        "½",
        "Save",
        " save",
        "é",
        "e\u0301",
        '{"x": 12}',
        "...",
        "🙂",
        "中",
    ]
)
TEXT = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=20).map("".join))


@pytest.fixture(scope="module")
def auto() -> object:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(FIXTURE)


@seed(1)
@settings(max_examples=400, deadline=None)
@given(TEXT)
def test_round_trip(text: str) -> None:
    ids = RAW.encode(text, add_special_tokens=False).ids
    assert RAW.decode(ids, skip_special_tokens=False) == unicodedata.normalize("NFC", text)


def test_transformers_agrees(auto) -> None:  # type: ignore[no-untyped-def]
    @seed(2)
    @settings(max_examples=400, deadline=None)
    @given(TEXT)
    def check(text: str) -> None:
        assert auto.encode(text) == RAW.encode(text, add_special_tokens=False).ids

    check()


def test_transformers_class_and_special_ids(auto) -> None:  # type: ignore[no-untyped-def]
    assert type(auto).__name__ == "Qwen2Tokenizer"
    assert (auto.eos_token, auto.pad_token, auto.bos_token) == ("<|im_end|>", "<|endoftext|>", None)


def test_special_tokens_follow_the_vocabulary_in_qwens_order() -> None:
    first = RAW.token_to_id("<|endoftext|>")
    assert [RAW.token_to_id(name) for name, _ in SPECIAL_TOKENS] == list(range(first, first + len(SPECIAL_TOKENS)))
    assert first + len(SPECIAL_TOKENS) == RAW.get_vocab_size(with_added_tokens=True)


def test_a_free_row_is_left_for_the_mask_token() -> None:
    config = json.loads((FIXTURE / "config.json").read_text())
    assert config["text_config"]["vocab_size"] == EMBEDDING_ROWS
    assert RAW.get_vocab_size() == 2000 < EMBEDDING_ROWS  # id 2000 is the first that no text gives
    assert RAW.id_to_token(2000) is None


def test_config_names_the_right_ids() -> None:
    config = json.loads((FIXTURE / "config.json").read_text())
    for key, name in (
        ("image_token_id", "<|image_pad|>"),
        ("video_token_id", "<|video_pad|>"),
        ("vision_start_token_id", "<|vision_start|>"),
        ("vision_end_token_id", "<|vision_end|>"),
    ):
        assert config[key] == RAW.token_to_id(name)


def test_every_digit_is_a_token() -> None:
    assert RAW.encode("0123456789").tokens == list("0123456789")


def test_training_it_again_gives_the_committed_file() -> None:
    assert json.loads(train().to_str()) == json.loads((FIXTURE / "tokenizer.json").read_text())
