"""Parses the action in an answer, in any of the forms, and compares it with the goal."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from .task import Goal

_CALL = re.compile(r"\b(click|type|scroll)\(([^()]*)\)")
_ARGUMENT = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|-?\d+)')
_PROSE = re.compile(r'I (click|type)(?: "([^"]*)" into)? .* at x=(\d+), y=(\d+)\.')
_PROSE_SCROLL = re.compile(r"I scroll the screen (down|up|left|right)\.")


@dataclass(frozen=True)
class Action:
    """An answer's action; x and y in thousandths of the screen, -1 if there are none."""

    kind: str
    x: int = -1
    y: int = -1
    text: str = ""
    direction: str = ""


def parse_action(answer: str) -> Action | None:
    """The action at the end of an answer, or None."""
    answer = answer.rpartition("</think>")[2].replace("<|im_end|>", "").strip()
    for line in reversed(answer.splitlines()):
        if line.startswith("{") and (action := _from_json(line)):
            return action
    if match := _CALL.search(answer):
        try:
            return _build(match[1], {key: json.loads(value) for key, value in _ARGUMENT.findall(match[2])})
        except json.JSONDecodeError:
            return None
    if match := _PROSE.search(answer):
        return Action(match[1], int(match[3]), int(match[4]), match[2] or "")
    if match := _PROSE_SCROLL.search(answer):
        return Action("scroll", direction=match[1])
    return None


def _from_json(line: str) -> Action | None:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return None
    if isinstance(value.get("arguments"), dict):
        return _build(str(value.get("name")), value["arguments"])
    return _build(str(value.get("action")), value)


def _build(kind: str, values: dict[str, object]) -> Action | None:
    x, y = values.get("x", -1), values.get("y", -1)
    if kind not in ("click", "type", "scroll") or not isinstance(x, int) or not isinstance(y, int):
        return None
    return Action(kind, x, y, str(values.get("text", "")), str(values.get("direction", "")))


def is_right(goal: Goal, answer: str) -> bool:
    """Whether the answer's action has the right kind, hits the right widget, and has the right text or direction."""
    action = parse_action(answer)
    if action is None or goal.screen is None or action.kind != goal.action:
        return False
    if goal.widget is None:
        return action.direction == goal.direction
    return goal.screen.hit(action.x, action.y) is goal.widget and action.text == goal.text
