"""Random dialogues from a seed: messages, their screenshots, and the right answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from . import wording
from .draws import Draws
from .screens import SIZES, Screen, Widget, draw_screen

Message = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    """What a turn asks for. `widget` is None for scrolling, for listing, and without a screenshot."""

    what: str  # a key of wording.ASK, or "talk"
    screen: Screen | None
    widget: Widget | None = None
    text: str = ""
    direction: str = ""

    @property
    def action(self) -> str:
        """click, type or scroll; empty if no action is asked for."""
        return "" if self.what in ("list", "talk") else self.what.split("-")[0]


@dataclass
class Dialogue:
    """A dialogue with its right answers.

    `messages` are those of the chat template (with text and image parts). `goals` has one entry per user turn;
    `answers` holds the indices of the assistant messages that answer those turns.
    """

    form: str
    messages: list[Message]
    goals: list[Goal]
    answers: list[int]
    tools: list[dict[str, Any]] | None = None
    thinking: bool = False
    screens: list[Screen] = field(default_factory=list)


def _function(name: str, about: str, properties: dict[str, str]) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties),
    }
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


TOOLS = [
    _function("click", "Click on a point.", {"x": "integer", "y": "integer"}),
    _function("type", "Type text into a field.", {"x": "integer", "y": "integer", "text": "string"}),
    _function("scroll", "Scroll the screen.", {"direction": "string"}),
]


def arguments(goal: Goal) -> dict[str, Any]:
    """The action's arguments, in the order that every form uses."""
    if goal.widget is None or goal.screen is None:
        return {"direction": goal.direction}
    x, y = goal.screen.point(goal.widget)
    return {"x": x, "y": y, "text": goal.text} if goal.action == "type" else {"x": x, "y": y}


def action_json(goal: Goal) -> str:
    """The action as JSON."""
    target = goal.widget.label if goal.widget else "screen"
    return json.dumps({"action": goal.action, "target": target, **arguments(goal)})


def action_call(goal: Goal) -> str:
    """The action as a call."""
    return f"{goal.action}({', '.join(f'{key}={json.dumps(value)}' for key, value in arguments(goal).items())})"


def action_prose(goal: Goal) -> str:
    """The action as prose, the form without a system prompt."""
    if goal.widget is None or goal.screen is None:
        return f"I scroll the screen {goal.direction}."
    x, y = goal.screen.point(goal.widget)
    start = f'I type "{goal.text}" into' if goal.action == "type" else "I click"
    place = wording.region(goal.screen, goal.widget)
    return f"{start} {goal.widget.label}, the {goal.widget.colour} {goal.widget.kind} {place}, at x={x}, y={y}."


def answer(goal: Goal, form: str, thinking: bool = False) -> Message:
    """The target's answer. With `thinking`, the sentence moves into the reasoning; the content is the action."""
    assert goal.screen is not None
    if goal.what == "list":
        return {"role": "assistant", "content": wording.listing(goal.screen)}
    said = wording.sentence(goal.what, goal.screen, goal.widget, goal.text, goal.direction)
    remark = wording.remark(goal.screen, goal.widget, goal.direction)
    message: Message = {"role": "assistant"}
    if form == "tools":
        call = {"type": "function", "function": {"name": goal.action, "arguments": arguments(goal)}}
        message |= {"content": "" if thinking else remark, "tool_calls": [call]}
    elif form == "call":
        message["content"] = action_call(goal) if thinking else f"{remark}\n{action_call(goal)}"
    elif form == "none":
        message["content"] = action_prose(goal)
    else:
        message["content"] = action_json(goal) if thinking or form == "json" else f"{said}\n{action_json(goal)}"
    if thinking:
        message["reasoning_content"] = f"I look for what the user wants. {said}"
    return message


def user_message(screen: Screen, text: str, image_first: bool = True) -> Message:
    """A user turn with a screenshot."""
    image = {"type": "image", "width": screen.width, "height": screen.height}
    parts = [image, {"type": "text", "text": text}]
    return {"role": "user", "content": parts if image_first else parts[::-1]}


def draw_goal(draws: Draws, size: tuple[int, int], listing_percent: float = 0.0) -> Goal:
    """A random screen and a goal on it."""
    if draws.chance(listing_percent):
        return Goal("list", draw_screen(draws, size))
    n = draws.below(100)
    if n < 10:
        return Goal("scroll", draw_screen(draws, size), direction=draws.pick(wording.DIRECTIONS))
    if n < 32:
        screen = draw_screen(draws, size, need_field=True)
        widget = draws.pick([w for w in screen.widgets if w.kind == "field"])
        text = draws.pick(wording.WORDS) if draws.chance(70) else str(draws.between(10, 9999))
        return Goal("type-label" if n < 24 else "type-look", screen, widget, text)
    screen = draw_screen(draws, size)
    return Goal("click-label" if n < 74 else "click-look", screen, draws.pick(screen.widgets))


def draw_talk(draws: Draws) -> Dialogue:
    """A random dialogue of 1 or 2 turns without screenshots."""
    form = draws.pick(wording.FORMS)
    messages: list[Message] = _system(draws, form, first=False)
    goals, answers = [], []
    for _ in range(draws.between(1, 2)):
        question, reply = wording.small_talk(draws)
        messages.append({"role": "user", "content": question})
        answers.append(len(messages))
        messages.append({"role": "assistant", "content": reply})
        goals.append(Goal("talk", None))
    return Dialogue(form, messages, goals, answers)


def _system(draws: Draws, form: str, first: bool) -> list[Message]:
    if form == "none":
        return []
    texts = wording.SYSTEM_PROMPTS[form]
    text = texts[0] if first or draws.chance(70) else draws.pick(texts[1:])
    return [{"role": "system", "content": text}]


def draw_dialogue(
    draws: Draws,
    turns: int,
    *,
    size: tuple[int, int] | None = None,
    form: str | None = None,
    listing_percent: float = 0.0,
    canonical: bool = False,
    extras: bool = True,
) -> Dialogue:
    """A random dialogue of `turns` user turns, each with its own screenshot, all of one size.

    `form` sets the form of answers, `canonical` uses only the first system prompt of a form, and `extras=False`
    excludes thinking and tools.
    """
    size = size or draws.pick(SIZES)
    roll = draws.below(100)
    chosen = form or ("reason-json" if roll < 48 else "call" if roll < 72 else "json" if roll < 82 else "none")
    messages = _system(draws, chosen, canonical)
    tools = None
    thinking = extras and draws.chance(8)
    if form is None and extras and draws.chance(8):
        tools, chosen = TOOLS, "tools"
    dialogue = Dialogue(chosen, messages, [], [], tools, thinking)
    for turn in range(turns):
        goal = draw_goal(draws, size, 0.0 if tools else listing_percent)
        assert goal.screen is not None
        text = wording.ask(draws, goal.what, goal.widget, goal.text, goal.direction)
        messages.append(user_message(goal.screen, text, image_first=draws.chance(85)))
        dialogue.answers.append(len(messages))
        # only the last turn has reasoning: the template drops that of earlier turns
        messages.append(answer(goal, chosen, thinking and turn == turns - 1 and goal.what != "list"))
        dialogue.goals.append(goal)
        dialogue.screens.append(goal.screen)
        if tools and turn < turns - 1:
            messages.append({"role": "tool", "content": '{"ok": true}'})
            messages.append({"role": "assistant", "content": "Done. What is next?"})
    if thinking and dialogue.goals[-1].what == "list":
        dialogue.thinking = False
    return dialogue
