"""Measures accuracy on unseen screenshots, with transformers' own greedy decoding in fp32.

    python -m tiny_gui.measure --dir DIR --dialogues 200 [--device cuda] [--shuffled]

The history of later turns contains the model's own earlier answers, as in production.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from .draws import Draws
from .inputs import Encoder, patches
from .score import is_right
from .screens import Screen
from .task import Dialogue, Message, action_json, draw_dialogue

LONGEST_ANSWER = 120  # tokens


def load(directory: Path, device: str) -> Any:
    """Loads the checkpoint in fp32."""
    return AutoModelForImageTextToText.from_pretrained(directory, dtype=torch.float32).to(device).eval()


def generate(model: Any, encoder: Encoder, prompts: list[list[int]], screens: list[list[Screen]]) -> list[str]:
    """Greedy answers to a batch of prompts, each with its list of screenshots."""
    longest = max(map(len, prompts))
    ids: torch.Tensor = torch.tensor([[encoder.pad] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    flat = [screen for some in screens for screen in some]
    inputs = {"input_ids": ids, "attention_mask": mask, "mm_token_type_ids": (ids == encoder.image).long()}
    if flat:
        inputs["pixel_values"] = torch.cat([patches(torch.from_numpy(s.pixels)[None])[0] for s in flat])
        inputs["image_grid_thw"] = torch.tensor([[1, s.height // 16, s.width // 16] for s in flat])
    moved = {name: tensor.to(model.device) for name, tensor in inputs.items()}
    with torch.inference_mode():
        made = model.generate(**moved, max_new_tokens=LONGEST_ANSWER, do_sample=False)
    answers = []
    for row in made[:, longest:].tolist():
        end = row.index(encoder.end) if encoder.end in row else len(row)
        answers.append(encoder.tokenizer.decode(row[:end], skip_special_tokens=False))
    return answers


def _kept(message: Message, answer: str, form: str) -> Message:
    """The history entry for the model's answer. A tool call stays text, which the template renders unchanged."""
    visible = answer.rpartition("</think>\n\n")[2]
    if form != "tools":
        return {"role": "assistant", "content": visible}
    return {"role": "assistant", "content": visible, "reasoning_content": message.get("reasoning_content", "")}


def measure(
    model: Any, encoder: Encoder, dialogues: list[Dialogue], shown: list[list[Screen]], batch: int
) -> tuple[Counter[str], list[dict[str, Any]]]:
    """Counts turns by task, form and turn number (`all`, `all right`, ...) and makes one record per turn.

    `shown` holds the screenshots that the model sees; in the shuffled control they are not the dialogues' own.
    """
    counts: Counter[str] = Counter()
    records: list[dict[str, Any]] = []
    for first in range(0, len(dialogues), batch):
        group = list(zip(dialogues[first : first + batch], shown[first : first + batch], strict=True))
        histories = [list(d.messages) for d, _ in group]
        for turn in range(max(len(d.goals) for d, _ in group)):
            live = [i for i, (d, _) in enumerate(group) if turn < len(d.goals)]
            prompts, seen = [], []
            for i in live:
                dialogue, screens = group[i]
                thinks = dialogue.thinking and turn == len(dialogue.goals) - 1
                asked = Dialogue(dialogue.form, [], [], [], dialogue.tools, thinks)
                text = encoder.render(asked, histories[i][: dialogue.answers[turn]], prompt=True)
                prompts.append(encoder.ids(text, [(s.width, s.height) for s in screens[: turn + 1]]))
                seen.append(screens[: turn + 1])
            for i, answer in zip(live, generate(model, encoder, prompts, seen), strict=True):
                dialogue = group[i][0]
                goal, at = dialogue.goals[turn], dialogue.answers[turn]
                histories[i][at] = _kept(histories[i][at], answer, dialogue.form)
                right = is_right(goal, answer)
                thought = "thinking" if dialogue.thinking and turn == len(dialogue.goals) - 1 else "plain"
                for key in ("all", goal.what, f"form {dialogue.form}", f"turn {turn + 1}", thought):
                    counts[key] += 1
                    counts[key + " right"] += right
                records.append({"form": dialogue.form, "what": goal.what, "right": right, "answer": answer})
                records[-1]["wanted"] = action_json(goal)
    return counts, records


def eval_dialogues(count: int, seed: int) -> list[Dialogue]:
    """Unseen dialogues, whose number of turns cycles through 1 to 4."""
    return [draw_dialogue(Draws("eval", seed, i), 1 + i % 4) for i in range(count)]


def shuffled(dialogues: list[Dialogue]) -> list[list[Screen]]:
    """For each dialogue, the screenshots of following dialogues with the same image size."""
    out: list[list[Screen]] = []
    pool = [screen for d in dialogues for screen in d.screens]
    at = 0
    for dialogue in dialogues:
        at += len(dialogue.screens)
        own = dialogue.screens[0]
        later = [
            s
            for s in (*pool[at:], *pool)
            if (s.width, s.height) == (own.width, own.height) and s not in dialogue.screens
        ]
        out.append(later[: len(dialogue.screens)])
    return out


def shares(counts: Counter[str]) -> dict[str, list[float]]:
    """Key -> [share of right turns, number of turns]."""
    keys = sorted(key for key in counts if not key.endswith(" right"))
    return {key: [round(counts[key + " right"] / counts[key], 4), counts[key]] for key in keys}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--dialogues", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--shuffled", action="store_true", help="show every dialogue the screenshots of others")
    parser.add_argument("--records", type=Path, help="file for one JSON line per turn")
    arguments = parser.parse_args()
    began = time.monotonic()
    model, encoder = load(arguments.dir, arguments.device), Encoder(arguments.dir)
    dialogues = eval_dialogues(arguments.dialogues, arguments.seed)
    shown = shuffled(dialogues) if arguments.shuffled else [d.screens for d in dialogues]
    counts, records = measure(model, encoder, dialogues, shown, arguments.batch)
    if arguments.records:
        text = "".join(json.dumps(record) + "\n" for record in records)
        arguments.records.write_text(text, encoding="utf-8")
    result = {"shuffled": arguments.shuffled, "seconds": round(time.monotonic() - began, 1), "right": shares(counts)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
