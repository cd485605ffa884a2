"""Reasoning and tool calls in an answer's text, for the two parsers that Qwen's vision-language models need."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

THINK, END_THINK = "<think>", "</think>"
_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)


@dataclass(frozen=True)
class Parsed:
    """An answer split into its parts.

    Attributes:
        content: what is left for people, None when there are only tool calls.
        reasoning: text before the end of thinking.
        tool_calls: in OpenAI's form.
    """

    content: str | None
    reasoning: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


def split_reasoning(text: str, prompt_thinks: bool) -> tuple[str | None, str]:
    """Separates reasoning and content (parser ``qwen3``).

    Args:
        text: the answer.
        prompt_thinks: whether the prompt already ended with the opening tag.
    """
    opened = prompt_thinks or text.lstrip().startswith(THINK)
    body = text.lstrip()[len(THINK) :] if text.lstrip().startswith(THINK) else text
    if END_THINK in body:
        reasoning, _, content = body.partition(END_THINK)
        return reasoning.strip("\n"), content.lstrip("\n")
    return (body.strip("\n"), "") if opened else (None, text)


def split_tool_calls(text: str) -> tuple[str | None, list[dict[str, Any]] | None]:
    """Takes <tool_call>{json}</tool_call> blocks out of an answer (parser ``qwen25``).

    A block that is not a call with a name leaves the whole text as it is: half an action must not run.
    """
    calls: list[dict[str, Any]] = []
    for found in _CALL.finditer(text):
        try:
            call = json.loads(found.group(1))
            name, arguments = call["name"], call.get("arguments", {})
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            return text, None
        calls.append(
            {
                "id": f"call_{uuid.uuid4().hex[:24]}",
                "index": len(calls),
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)},
            }
        )
    if not calls:
        return text, None
    return _CALL.sub("", text).strip() or None, calls
