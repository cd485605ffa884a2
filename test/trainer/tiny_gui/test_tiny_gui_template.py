"""The chat template, case by case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

FIXTURE = Path(__file__).parents[3] / "fixtures" / "tiny-gui"
SOURCE = Path(__file__).parents[3] / "src/trainer/tiny_gui/chat_template.jinja"

IMAGE = {"type": "image"}
TOOL = {"type": "function", "function": {"name": "click", "parameters": {"type": "object"}}}


def text(content: str) -> dict[str, str]:
    return {"type": "text", "text": content}


@pytest.fixture(scope="module")
def render() -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(FIXTURE)

    def call(messages: list[dict[str, Any]], prompt: bool = False, **options: Any) -> str:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt, **options))

    return call


def test_the_committed_template_is_the_source() -> None:
    assert (FIXTURE / "chat_template.jinja").read_text() == SOURCE.read_text()


def test_plain_turns(render: Any) -> None:
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Bye."},
    ]
    assert render(messages, prompt=True) == (
        "<|im_start|>system\nBe short.<|im_end|>\n"
        "<|im_start|>user\nHello.<|im_end|>\n"
        "<|im_start|>assistant\nHello!<|im_end|>\n"
        "<|im_start|>user\nBye.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_no_system_prompt_is_invented(render: Any) -> None:
    assert render([{"role": "user", "content": "Hi"}]) == "<|im_start|>user\nHi<|im_end|>\n"


def test_images_and_videos_stand_where_their_parts_stand(render: Any) -> None:
    parts = [text("A"), IMAGE, {"type": "video"}, text("B"), {"type": "image_url", "image_url": {"url": "x"}}]
    assert render([{"role": "user", "content": parts}]) == (
        "<|im_start|>user\nA<|vision_start|><|image_pad|><|vision_end|><|vision_start|><|video_pad|><|vision_end|>B"
        "<|vision_start|><|image_pad|><|vision_end|><|im_end|>\n"
    )


def test_thinking_switch(render: Any) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    base = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert render(messages, prompt=True) == base
    assert render(messages, prompt=True, enable_thinking=False) == base
    assert render(messages, prompt=True, enable_thinking=True) == base + "<think>\n"


@pytest.mark.parametrize(
    "thought", [{"reasoning_content": "\nHm.\n", "content": "B"}, {"content": "<think>\nHm.\n</think>\n\nB"}]
)
def test_reasoning_is_kept_only_after_the_last_user_turn(render: Any, thought: dict[str, str]) -> None:
    messages = [{"role": "user", "content": "A"}, {"role": "assistant", **thought}]
    assert render(messages) == (
        "<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\n<think>\nHm.\n</think>\n\nB<|im_end|>\n"
    )
    assert render([*messages, {"role": "user", "content": "C"}]) == (
        "<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\nB<|im_end|>\n<|im_start|>user\nC<|im_end|>\n"
    )


TOOLS_TEXT = (
    "# Tools\n\nYou may call the functions below. Each line is the signature of one.\n<tools>\n"
    '{"type": "function", "function": {"name": "click", "parameters": {"type": "object"}}}\n</tools>\n\n'
    "To call a function, write its name and its arguments as JSON between two tags:\n"
    '<tool_call>\n{"name": FUNCTION, "arguments": OBJECT}\n</tool_call><|im_end|>\n'
)


def test_tools_with_and_without_a_system_prompt(render: Any) -> None:
    user = {"role": "user", "content": "Hi"}
    tail = "<|im_start|>user\nHi<|im_end|>\n"
    assert render([user], tools=[TOOL]) == "<|im_start|>system\n" + TOOLS_TEXT + tail
    system = {"role": "system", "content": [text("Be short.")]}
    assert render([system, user], tools=[TOOL]) == "<|im_start|>system\nBe short.\n\n" + TOOLS_TEXT + tail


def test_tool_calls_and_responses(render: Any) -> None:
    messages = [
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": "Two clicks.",
            "tool_calls": [
                {"type": "function", "function": {"name": "click", "arguments": {"x": 1, "note": "é<"}}},
                {"name": "click", "arguments": '{"x": 2}'},
            ],
        },
        {"role": "tool", "content": "first"},
        {"role": "tool", "content": "second"},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "click", "arguments": {}}}]},
        {"role": "tool", "content": "third"},
    ]
    assert render(messages) == (
        "<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nTwo clicks.\n"
        '<tool_call>\n{"name": "click", "arguments": {"x": 1, "note": "é<"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "click", "arguments": {"x": 2}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\nfirst\n</tool_response>\n"
        "<tool_response>\nsecond\n</tool_response><|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>\n{"name": "click", "arguments": {}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\nthird\n</tool_response><|im_end|>\n"
    )


def test_reasoning_survives_tool_rounds_after_the_last_user_turn(render: Any) -> None:
    call = {
        "role": "assistant",
        "content": "",
        "reasoning_content": "R",
        "tool_calls": [{"name": "c", "arguments": {}}],
    }
    rendered = render([{"role": "user", "content": "A"}, call, {"role": "tool", "content": "ok"}])
    assert "<think>\nR\n</think>\n\n<tool_call>" in rendered


def test_an_unknown_role_is_refused(render: Any) -> None:
    with pytest.raises(Exception, match="unknown role"):
        render([{"role": "narrator", "content": "Once"}])
