"""All sentences of the task: system prompts, user requests, and the target's answers.

The target's sentence depends only on the widget and the request, with no randomness, so that greedy decoding is
confident and a draft model has structure to learn.
"""

from __future__ import annotations

from .draws import Draws
from .screens import COLOURS, Screen, Widget

# Data and tests use the first text of each form. The others make the target learn the meaning rather than one string.
SYSTEM_PROMPTS: dict[str, tuple[str, ...]] = {
    "reason-json": (
        "You operate a computer for the user. Look at the screenshot, explain in a sentence what you see, "
        "then give the action as JSON on a new line.",
        "You are a screen assistant. First say what you see, then write one JSON action on its own line.",
        "Read the screen, reason briefly, and finish with an action in JSON.",
    ),
    "call": (
        "You drive a user interface. Answer with a few words and then one call, such as click(x=120, y=340).",
        "Act on the screen through calls. Name the item in a few words, then write the call on the next line.",
        "Reply with a short remark and a single function call.",
    ),
    "json": (
        "Answer with the JSON action alone.",
        "Output one JSON object that describes the action, and nothing else.",
        "Give only JSON.",
    ),
}
FORMS = ("reason-json", "call", "json", "none")  # "none": no system prompt, one sentence of prose
DIRECTIONS = ("down", "up", "left", "right")
_WORDS = """
hello world apple river stone garden winter summer paper silver coffee orange window market bridge yellow music planet
rocket forest island copper velvet lemon tiger maple ocean candle mirror puzzle basket pepper anna peter maria london
paris tokyo berlin madrid monday friday report invoice meeting lunch ticket hotel budget
"""
WORDS = tuple(_WORDS.split())
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six")
_WARM = frozenset(("red", "orange", "pink", "brown"))
_REGIONS = (
    ("near the top left", "at the top", "near the top right"),
    ("on the left", "in the middle", "on the right"),
    ("near the bottom left", "at the bottom", "near the bottom right"),
)

ASK: dict[str, tuple[str, ...]] = {
    "click-label": (
        "Click {L}.", "Press {L}.", "Please click on {L}.", "Tap {L} for me.", "Open {L}.", "Go to {L}.", "I need {L}.",
        'Click "{L}".', "Can you click {L}?", "Now choose {L}.",
    ),
    "click-look": (
        "Click the {c} {k}.", "Press the {c} {k}.", "Please click on the {c} {k}.", "Use the {c} {k}.",
        "Tap the {c} {k} for me.", "Can you click the {c} {k}?", "Now choose the {c} {k}.",
    ),
    "type-label": (
        'Type "{t}" into {L}.', 'Enter "{t}" in {L}.', 'Put "{t}" into the field {L}.', 'Fill {L} with "{t}".',
        'Write "{t}" in the {L} field.',
    ),
    "type-look": (
        'Type "{t}" into the {c} field.', 'Enter "{t}" in the {c} field.', 'Fill the {c} field with "{t}".',
        'Write "{t}" in the {c} field.',
    ),
    "scroll": (
        "Scroll {d}.", "Please scroll {d}.", "Move the page {d}.", "Scroll {d} a little.",
        "Can you scroll {d}?",
    ),
    "list": ("List every item on the screen.", "Describe the screen.", "What is on the screen?"),
}  # fmt: skip

# (kind of request, kind of widget) -> sentence for a warm colour, sentence for a cool colour
_SAY: dict[tuple[str, str], tuple[str, str]] = {
    ("click-label", "button"): (
        "The {c} {L} button sits {r}, so I click it.",
        "I can see {L}: it is the {c} button {r}. A click on it is what you asked for.",
    ),
    ("click-label", "link"): (
        "{L} is the {c} link {r}, and one click follows it.",
        "The text {L} is underlined in {c} {r}. I follow the link.",
    ),
    ("click-label", "field"): (
        "There is a {c} field named {L} {r}. I click into it.",
        "The {c} outline {r} belongs to the field {L}, so I put the cursor there.",
    ),
    ("click-look", "button"): (
        "The only {c} button is {L}, {r}, and I press it.",
        "Just one button is {c}. It says {L} and sits {r}, so I click it.",
    ),
    ("click-look", "link"): (
        "The {c} link reads {L} and stands {r}. I follow it.",
        "Among the links the {c} one is {L}, {r}, so I click it.",
    ),
    ("click-look", "field"): (
        "The field with the {c} outline is {L}, {r}. I click into it.",
        "{L} is the field drawn in {c}, {r}; a click puts the cursor there.",
    ),
    ("type-label", "field"): (
        "The field {L} is {r}, outlined in {c}, so I type {t} there.",
        "I find {L} {r}. It is a {c} field, and {t} goes into it.",
    ),
    ("type-look", "field"): (
        "The {c} field is {L}, {r}, and {t} goes into it.",
        "Only one field is {c}: {L}, {r}. I type {t} there.",
    ),
}
_SAY_SCROLL = {
    "down": "I see {n} items here and more may follow below, so I scroll down.",
    "up": "The screen shows {n} items; what comes before them is above. I scroll up.",
    "left": "There are {n} items in view, and the page goes on to the left. I scroll there.",
    "right": "I count {n} items. The rest of the page is to the right, so I scroll right.",
}


def region(screen: Screen, widget: Widget) -> str:
    """The location of the widget's centre in words, by thirds of the screen."""
    x, y = widget.centre
    return _REGIONS[int(y * 3 // screen.height)][int(x * 3 // screen.width)]


def ask(draws: Draws, what: str, widget: Widget | None, text: str, direction: str) -> str:
    """A random wording of the user's request."""
    c, k, name = (widget.colour, widget.kind, widget.label) if widget else ("", "", "")
    return draws.pick(ASK[what]).format(L=name, c=c, k=k, t=text, d=direction)


def sentence(what: str, screen: Screen, widget: Widget | None, text: str, direction: str) -> str:
    """The target's reasoning sentence."""
    if widget is None:
        return _SAY_SCROLL[direction].format(n=NUMBERS[len(screen.widgets)])
    warm, cool = _SAY[(what, widget.kind)]
    chosen = warm if widget.colour in _WARM else cool
    return chosen.format(L=widget.label, c=widget.colour, r=region(screen, widget), t=text)


def remark(screen: Screen, widget: Widget | None, direction: str) -> str:
    """The short remark of the call form."""
    if widget is None:
        return f"{NUMBERS[len(screen.widgets)].capitalize()} items, moving {direction}."
    return f"{widget.colour.capitalize()} {widget.kind} {widget.label}, {region(screen, widget)}."


def listing(screen: Screen) -> str:
    """All widgets with their coordinates, from top to bottom, one per line."""
    lines = []
    for widget in sorted(screen.widgets, key=lambda w: (w.row, w.col)):
        x, y = screen.point(widget)
        lines.append(f"{widget.colour} {widget.kind} {widget.label} at {x}, {y}")
    return "\n".join(lines)


def small_talk(draws: Draws) -> tuple[str, str]:
    """A random question without a screenshot, and its answer."""
    word, label, colour = draws.pick(WORDS), draws.pick(("Save", "Open", "Name", "Help")), draws.pick(tuple(COLOURS))
    a, b = draws.below(10), draws.below(10)
    side = draws.pick((("left", "right"), ("right", "left"), ("up", "down"), ("down", "up")))
    return draws.pick(
        (
            ("Hello.", "Hello! Show me a screenshot and tell me what to do on it."),
            ("What can you do?", "I read screenshots and answer with one action: click, type or scroll."),
            ("Who are you?", "I am a tiny model that operates drawn screens. I know a few labels and colours."),
            ("Which actions do you know?", "Three actions: click on an item, type into a field, scroll the screen."),
            ("Thank you.", "You are welcome. Send the next screenshot whenever you like."),
            (f"Say {word}.", f"{word}"),
            (f"What is {a} + {b}?", f"{a} + {b} is {a + b}."),
            (f"What is the opposite of {side[0]}?", f"The opposite of {side[0]} is {side[1]}."),
            (f"Is {colour} a colour?", f"Yes, {colour} is one of the colours that I know."),
            (f"Click {label}.", f"I need a screenshot to find {label}. Please send one."),
        )
    )
