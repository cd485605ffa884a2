"""``python -m parity.rates MODEL_DIR DIALOGUES PNG_FILE COUNT``: what others do for one row.

Three ways, each measured in rows per CPU second over the first COUNT dialogues (canonical JSONL, one screenshot each):

- ``pixels``: transformers' processor on text and decoded picture, as most training scripts call it;
- ``headers``: the picture's size from its header, the pads counted by the processor's resize rule, prompt and whole
  dialogue rendered and tokenized, mask from their common prefix;
- ``text``: one tokenizer call on text whose pads are expanded already. No rendering, no mask.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image
from transformers import AutoProcessor, logging
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize


def messages_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The dialogue as a template sees it."""
    return [
        {
            "role": message["role"],
            "content": [
                {"type": "image"} if part["type"] == "image" else {"type": "text", "text": part["text"]}
                for part in message["content"]
            ],
        }
        for message in row["messages"]
    ]


class Ways:
    """The three ways, over one processor and one picture file."""

    def __init__(self, model: str, png: Path) -> None:
        self._processor: Any = AutoProcessor.from_pretrained(model)
        self._png = png

    def render(self, messages: list[dict[str, Any]], prompt: bool) -> str:
        """The text with one pad an image."""
        text = self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
        return str(text)

    def pixels(self, row: dict[str, Any]) -> int:
        """Ids of the row."""
        with Image.open(self._png) as picture:
            fields = self._processor(
                text=[self.render(messages_of(row), False)],
                images=[picture.convert("RGB")],
                return_mm_token_type_ids=True,
            )
        return len(fields["input_ids"][0])

    def expanded(self, text: str) -> str:
        """The text with as many pads as the picture takes."""
        images = self._processor.image_processor
        factor = images.patch_size * images.merge_size
        with Image.open(self._png) as picture:
            width, height = picture.size
        size = images.size
        rows, columns = smart_resize(
            height, width, factor=factor, min_pixels=size["shortest_edge"], max_pixels=size["longest_edge"]
        )
        pad = self._processor.image_token
        return text.replace(pad, pad * ((rows // factor) * (columns // factor)))

    def headers(self, row: dict[str, Any]) -> int:
        """Ids of the row, after types and mask were made."""
        messages = messages_of(row)
        tokenizer = self._processor.tokenizer
        prompt = tokenizer(self.expanded(self.render(messages[:-1], True)))["input_ids"]
        ids = tokenizer(self.expanded(self.render(messages, False)))["input_ids"]
        pad = self._processor.image_token_id
        types = [1 if token == pad else 0 for token in ids]
        shared = next((at for at, (a, b) in enumerate(zip(prompt, ids, strict=False)) if a != b), len(prompt))
        mask = [0] * shared + [1] * (len(ids) - shared)
        return len(types) if len(types) == len(mask) else 0

    def text(self, text: str) -> int:
        """Ids of a text whose pads are expanded."""
        return len(self._processor.tokenizer(text)["input_ids"])


def rate(way: Callable[[Any], int], items: list[Any]) -> float:
    """Rows per CPU second of this process, all its threads."""
    way(items[0])
    began = time.process_time()
    for item in items:
        if way(item) == 0:
            raise RuntimeError("a row came out empty")
    return len(items) / (time.process_time() - began)


def main() -> None:
    """Prints one JSON object."""
    logging.set_verbosity_error()
    model, dialogues, png, count = sys.argv[1:5]
    with Path(dialogues).open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in islice(lines, int(count))]
    ways = Ways(model, Path(png))
    texts = [ways.expanded(ways.render(messages_of(row), False)) for row in rows]
    # Pixels are slow: a tenth of the rows is enough.
    few = rows[: max(10, len(rows) // 10)]
    rates = {"pixels": rate(ways.pixels, few), "headers": rate(ways.headers, rows), "text": rate(ways.text, texts)}
    print(json.dumps({name: round(value, 1) for name, value in rates.items()}))


main()
