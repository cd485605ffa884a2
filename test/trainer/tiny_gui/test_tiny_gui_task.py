"""Drawing, wording, scoring and the raw writer."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tiny_gui import wording
from tiny_gui.draws import Draws
from tiny_gui.font import GLYPHS, text_mask
from tiny_gui.inputs import Encoder
from tiny_gui.raw import write
from tiny_gui.score import Action, is_right, parse_action
from tiny_gui.screens import CELL, LABELS, draw_screen
from tiny_gui.task import draw_dialogue

FIXTURE = Path(__file__).parents[3] / "fixtures" / "tiny-gui"


def test_drawing_is_byte_stable() -> None:
    digest = hashlib.sha256()
    for i in range(20):
        digest.update(draw_screen(Draws("test", i)).pixels.tobytes())
    assert digest.hexdigest() == "4a6c185bb9f1cefe039174e7aa7cd9f5b6e31ac2b5f8e993abe19a47f72dc77f"


def test_wording_is_stable() -> None:
    digest = hashlib.sha256()
    for i in range(50):
        digest.update(json.dumps(draw_dialogue(Draws("test", i), 1 + i % 4).messages).encode())
    assert digest.hexdigest() == "f6b1e88169b8a67f1b6533c711e2897ed97bf9d27a969315ea0e086df42ecae8"


def test_screens_hold_what_they_promise() -> None:
    for i in range(300):
        screen = draw_screen(Draws("promise", i), need_field=i % 2 == 0)
        assert 3 <= len(screen.widgets) <= 6
        assert len({w.label for w in screen.widgets}) == len({(w.colour, w.kind) for w in screen.widgets})
        assert i % 2 or screen.widgets[0].kind == "field"
        for widget in screen.widgets:
            left, top, right, bottom = widget.box
            assert left >= 0 and top >= 0 and right <= screen.width and bottom <= screen.height
            assert text_mask(widget.label).shape[1] <= widget.cells * CELL - 8
            assert screen.hit(*screen.point(widget)) is widget


def test_the_font_has_every_letter_of_the_labels() -> None:
    assert set("".join(LABELS)) <= set(GLYPHS)
    assert len({mask.tobytes() for mask in map(text_mask, LABELS)}) == 48


@pytest.mark.parametrize(
    ("answer", "action"),
    [
        ('So.\n{"action": "click", "target": "Save", "x": 1, "y": 2}', Action("click", 1, 2)),
        ('{"action": "type", "target": "N", "x": 1, "y": 2, "text": "a b"}', Action("type", 1, 2, "a b")),
        ('<think>\nx\n</think>\n\n{"action": "scroll", "direction": "up"}', Action("scroll", direction="up")),
        ("Red button, at the top.\nclick(x=12, y=340)", Action("click", 12, 340)),
        ('type(x=1, y=2, text="hi")<|im_end|>', Action("type", 1, 2, "hi")),
        ('Go.\n<tool_call>\n{"name": "click", "arguments": {"x": 3, "y": 4}}\n</tool_call>', Action("click", 3, 4)),
        ("I click Save, the red button at the top, at x=5, y=6.", Action("click", 5, 6)),
        ('I type "hi" into Name, the red field at the top, at x=5, y=6.', Action("type", 5, 6, "hi")),
        ("I scroll the screen left.", Action("scroll", direction="left")),
        ("I do not know.", None),
        ('{"action": "click", "x": "12", "y": 1}', None),
        ('{"action": "jump"}', None),
        ("{broken", None),
    ],
)
def test_parse_action(answer: str, action: Action | None) -> None:
    assert parse_action(answer) == action


def test_own_answers_score_and_others_do_not() -> None:
    encoder = Encoder(FIXTURE)
    seen = set()
    for i in range(300):
        dialogue = draw_dialogue(Draws("score", i), 1)
        goal = dialogue.goals[0]
        ids = encoder.ids(
            encoder.render(dialogue, dialogue.messages, prompt=False), [(s.width, s.height) for s in dialogue.screens]
        )
        first, end = encoder.labels(ids, last_only=True)[0]
        answer = encoder.tokenizer.decode(ids[first:end], skip_special_tokens=False)
        assert is_right(goal, answer), answer
        assert answer.endswith("<|im_end|>")
        seen.add((dialogue.form, goal.action))
        other = draw_dialogue(Draws("other", i), 1).goals[0]
        if other.widget and (goal.widget is None or other.action != goal.action):
            assert not is_right(other, answer)
    assert {form for form, _ in seen} == {*wording.FORMS, "tools"}
    assert {action for _, action in seen} == {"click", "type", "scroll"}


def test_raw_writer(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tiny_gui.raw",
        "--dialogues",
        "30",
        "--seed",
        "5",
        "--bad-rows",
    ]
    command += ["--system-prompt", "call"]
    trainer = Path(__file__).parents[3] / "src" / "trainer"
    done = subprocess.run([*command, "--out", tmp_path / "a"], cwd=trainer, capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-2] == {"type": "progress", "done": 30, "total": 30, "unit": "dialogues"}
    rows = [json.loads(line) for line in (tmp_path / "a" / "dialogues.jsonl").read_text().splitlines()]
    assert len(rows) == 35
    assert events[-1]["type"] == "result" and events[-1]["dialogues"] == 30 and events[-1]["bad_rows"] == 5
    for row in rows[:30]:
        assert row["messages"][0] == {"role": "system", "content": wording.SYSTEM_PROMPTS["call"][0]}
        parts = [p for m in row["messages"] if isinstance(m["content"], list) for p in m["content"]]
        for part in parts:
            if part["type"] == "image_url":
                with Image.open(tmp_path / "a" / part["image_url"]["url"]) as picture:
                    picture.load()
    with pytest.raises(OSError), Image.open(tmp_path / "a/images/bad-truncated-0.png") as picture:
        picture.load()
    assert not (tmp_path / "a/images/bad-nowhere-0.png").exists()

    write(tmp_path / "b", 30, 5, "call", with_bad_rows=True)
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
