"""Writes raw dialogues with screenshots, as users of the toolkit have them: OpenAI messages and PNG files.

    python -m tiny_gui.raw --out DIR --dialogues 200 --seed 0 [--bad-rows]

DIR/dialogues.jsonl has one dialogue per line, DIR/images/ the screenshots. The assistant's turns are worded as people
might write them, not as the target does: a draft has to learn the target's words, so regeneration matters. The same
seed and version give the same bytes. No seed here gives a random stream that training or measuring uses.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from . import wording
from .draws import Draws
from .screens import Screen, draw_screen
from .task import Dialogue, Goal, arguments, draw_dialogue, draw_talk

TURNS = (1, 1, 1, 2, 2, 2, 3, 3, 4, 4)
TEXT_ONLY = 3  # percent
PROGRESS_EVERY = 25  # dialogues

_CLICK = (
    "ok, clicking {L} now\nACTION click [{x}, {y}]",
    "Sure thing. {L} it is.\nACTION click [{x}, {y}]",
    "Found it, the {c} one.\nACTION click [{x}, {y}]",
    "That's the {c} {k}, right?\nACTION click [{x}, {y}]",
)
_TYPE = (
    "typing {t} for you\nACTION type [{x}, {y}] {t}",
    "Done, {t} goes in the {c} box.\nACTION type [{x}, {y}] {t}",
)
_SCROLL = ("scrolling {d}\nACTION scroll {d}", "Let me look further {d}.\nACTION scroll {d}")


def human_answer(draws: Draws, goal: Goal) -> str:
    """An assistant turn as a human annotator might write it."""
    if goal.widget is None or goal.screen is None:
        return draws.pick(_SCROLL).format(d=goal.direction)
    place = arguments(goal)
    texts = _TYPE if goal.action == "type" else _CLICK
    return draws.pick(texts).format(
        L=goal.widget.label, c=goal.widget.colour, k=goal.widget.kind, t=goal.text, x=place["x"], y=place["y"]
    )


def _draw(draws: Draws, form: str) -> Dialogue:
    if draws.chance(TEXT_ONLY):
        dialogue = draw_talk(draws)
        spoken = [message for message in dialogue.messages if message["role"] != "system"]
        system = [] if form == "none" else [{"role": "system", "content": wording.SYSTEM_PROMPTS[form][0]}]
        return Dialogue(form, system + spoken, dialogue.goals, [i + len(system) for i in range(1, len(spoken), 2)])
    return draw_dialogue(draws, draws.pick(TURNS), form=form, canonical=True, extras=False)


def row(name: str, dialogue: Dialogue, draws: Draws) -> dict[str, Any]:
    """A row of dialogues.jsonl; the dialogue's n-th screenshot is images/NAME-n.png."""
    messages: list[dict[str, Any]] = []
    image = 0
    goals = iter(dialogue.goals)
    for message in dialogue.messages:
        content = message["content"]
        if message["role"] == "assistant" and (goal := next(goals)).what != "talk":
            content = human_answer(draws, goal)
        elif not isinstance(content, str):
            parts: list[dict[str, Any]] = []
            for part in content:
                if part["type"] == "image":
                    parts.append({"type": "image_url", "image_url": {"url": f"images/{name}-{image}.png"}})
                    image += 1
                else:
                    parts.append({"type": "text", "text": part["text"]})
            content = parts
        messages.append({"role": message["role"], "content": content})
    return {"id": name, "messages": messages}


def save_png(screen: Screen, path: Path) -> None:
    """Writes the screenshot as an RGB PNG."""
    Image.fromarray(screen.pixels).save(path, format="PNG", compress_level=6)


def bad_rows(out: Path, seed: int) -> list[dict[str, Any]]:
    """Dialogues that an import must reject, each for a different reason."""
    draws = Draws("raw-bad", seed)
    picture = out / "images" / "bad-truncated-0.png"
    save_png(draw_screen(draws), picture)
    data = picture.read_bytes()
    picture.write_bytes(data[: len(data) // 2])

    def dialogue(name: str, url: str, first: str = "user") -> dict[str, Any]:
        parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "Click Save."}]
        reply = {"role": "assistant", "content": "ok, clicking Save now\nACTION click [500, 500]"}
        return {"id": name, "messages": [{"role": first, "content": parts}, reply]}

    fine = out / "images" / "bad-fine-0.png"
    save_png(draw_screen(draws), fine)
    starts_wrong = dialogue("bad-starts-with-assistant", "images/bad-fine-0.png")
    starts_wrong["messages"].insert(0, {"role": "assistant", "content": "How can I help?"})
    return [
        dialogue("bad-truncated-png", "images/bad-truncated-0.png"),
        dialogue("bad-missing-image", "images/bad-nowhere-0.png"),
        starts_wrong,
        dialogue("bad-unknown-role", "images/bad-fine-0.png", first="narrator"),
        dialogue("bad-escaping-path", "../bad-outside-0.png"),
    ]


def _emit(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


def write(out: Path, count: int, seed: int, form: str, with_bad_rows: bool) -> dict[str, int]:
    """Writes all files and returns the counts."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    counts = {"dialogues": 0, "turns": 0, "images": 0, "text_only": 0, "bad_rows": 0}
    with (out / "dialogues.jsonl").open("w", encoding="utf-8", newline="\n") as lines:
        for i in range(count):
            draws = Draws("raw", seed, form, i)
            dialogue = _draw(draws, form)
            name = f"gui-{i:06d}"
            for n, screen in enumerate(dialogue.screens):
                save_png(screen, out / "images" / f"{name}-{n}.png")
            lines.write(json.dumps(row(name, dialogue, draws), ensure_ascii=False) + "\n")
            counts["dialogues"] += 1
            counts["turns"] += len(dialogue.goals)
            counts["images"] += len(dialogue.screens)
            counts["text_only"] += not dialogue.screens
            if (i + 1) % PROGRESS_EVERY == 0 or i + 1 == count:
                _emit({"type": "progress", "done": i + 1, "total": count, "unit": "dialogues"})
        for bad in bad_rows(out, seed) if with_bad_rows else ():
            lines.write(json.dumps(bad, ensure_ascii=False) + "\n")
            counts["bad_rows"] += 1
    return counts


def main(argv: list[str] | None = None) -> int:
    """Command line. Standard output carries JSON events only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dialogues", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--system-prompt", choices=wording.FORMS, default="reason-json", help="system prompt of all dialogues"
    )
    parser.add_argument("--bad-rows", action="store_true", help="add five dialogues that an import must reject")
    arguments = parser.parse_args(argv)
    print(f"writing {arguments.dialogues} dialogues to {arguments.out}", file=sys.stderr)
    counts = write(arguments.out, arguments.dialogues, arguments.seed, arguments.system_prompt, arguments.bad_rows)
    _emit({"type": "result", **counts})
    return 0


if __name__ == "__main__":
    sys.exit(main())
