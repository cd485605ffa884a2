"""Reasoning and tool calls."""

from __future__ import annotations

import json

import pytest
from reference_server.serve.parsers import split_reasoning, split_tool_calls


@pytest.mark.parametrize(
    ("text", "prompt_thinks", "reasoning", "content"),
    [
        ("plain", False, None, "plain"),
        ("<think>\nwhy\n</think>\n\nbecause", False, "why", "because"),
        ("why\n</think>\n\nbecause", True, "why", "because"),
        # Qwen's thinking models leave the opening tag out even where the template does not write it.
        ("why</think>because", False, "why", "because"),
        ("still thinking", True, "still thinking", ""),
        ("<think>cut off", False, "cut off", ""),
    ],
)
def test_reasoning(text, prompt_thinks, reasoning, content):
    assert split_reasoning(text, prompt_thinks) == (reasoning, content)


def test_tool_calls_are_taken_out_of_the_text():
    call = '<tool_call>\n{"name": "click", "arguments": {"at": [1, 2], "why": "é"}}\n</tool_call>'
    content, calls = split_tool_calls(f"I click.\n{call}\n{call}")
    assert content == "I click."
    assert [one["index"] for one in calls] == [0, 1]
    assert calls[0]["function"]["name"] == "click"
    assert json.loads(calls[0]["function"]["arguments"]) == {"at": [1, 2], "why": "é"}
    assert calls[0]["id"] != calls[1]["id"]


def test_only_calls_leave_no_content():
    content, calls = split_tool_calls('<tool_call>{"name": "back"}</tool_call>')
    assert content is None
    assert calls[0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    "text",
    [
        "no call",
        "<tool_call>{broken</tool_call>",
        '<tool_call>{"arguments": {}}</tool_call>',
        "<tool_call>[1]</tool_call>",
        '<tool_call>{"name": "a"}',
        # Python's parser refuses both, each with an error of its own kind.
        '<tool_call>{"name": "a", "arguments": ' + "[" * 100_000 + "</tool_call>",
        '<tool_call>{"name": "a", "arguments": {"n": ' + "9" * 5_000 + "}}</tool_call>",
    ],
    ids=["plain", "broken", "nameless", "list", "unclosed", "deep", "digits"],
)
def test_what_is_no_whole_call_stays_text(text):
    assert split_tool_calls(text) == (text, None)
