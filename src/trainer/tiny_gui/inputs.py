"""Turns dialogues into token ids, positions, labels and patches, without transformers' processor.

Worker processes do this a few thousand times a second. Tests compare it with the processor and the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
import jinja2.sandbox
import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from .build import MERGE, PATCH
from .draws import Draws
from .screens import CELL
from .task import Dialogue, Message, draw_dialogue, draw_talk

Ids = npt.NDArray[np.int64]
_UNIT = PATCH * MERGE  # px of one visual token


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


class Encoder:
    """The directory's tokenizer and template."""

    def __init__(self, directory: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.template = (directory / "chat_template.jinja").read_text(encoding="utf-8")
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = _tojson  # Jinja's built-in filter escapes HTML and sorts keys
        environment.globals["raise_exception"] = _raise
        self._compiled = environment.from_string(self.template)
        names = ("<|image_pad|>", "<|im_start|>", "<|im_end|>", "<|endoftext|>")
        self.image, self.start, self.end, self.pad = (int(self.tokenizer.token_to_id(name) or 0) for name in names)
        self.think = self.tokenizer.encode("<think>\n").ids
        self.assistant = self.tokenizer.encode("assistant\n").ids

    def render(self, dialogue: Dialogue, messages: list[Message], prompt: bool) -> str:
        """The rendered chat template; with `prompt`, it ends with the generation prompt."""
        return self._compiled.render(
            messages=messages,
            tools=dialogue.tools,
            add_generation_prompt=prompt,
            enable_thinking=dialogue.thinking,
        )

    def ids(self, text: str, sizes: list[tuple[int, int]]) -> list[int]:
        """Token ids, with an image's pad token repeated for each visual token; sizes are (width, height) in px."""
        left = iter(sizes)
        out: list[int] = []
        for token in self.tokenizer.encode(text, add_special_tokens=False).ids:
            if token == self.image:
                width, height = next(left)
                out.extend([token] * ((width // _UNIT) * (height // _UNIT)))
            else:
                out.append(token)
        return out

    def labels(self, ids: list[int], last_only: bool) -> list[tuple[int, int]]:
        """Spans [first, end) of the tokens that the model must generate, `<|im_end|>` included."""
        spans: list[tuple[int, int]] = []
        head = [self.start, *self.assistant]
        for i, token in enumerate(ids):
            if token == self.start and ids[i : i + len(head)] == head:
                first = i + len(head)
                if ids[first : first + len(self.think)] == self.think:
                    first += len(self.think)  # part of the generation prompt
                spans.append((first, ids.index(self.end, first) + 1))
        return spans[-1:] if last_only else spans


def _tojson(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


@cache
def _grid(width: int, height: int) -> npt.NDArray[np.int64]:
    """[3, tokens]: temporal, height and width offsets of one image's visual tokens."""
    rows, columns = height // _UNIT, width // _UNIT
    y, x = np.divmod(np.arange(rows * columns), columns)
    return np.stack([np.zeros_like(x), y, x])


def positions(ids: Ids, image: int, sizes: list[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """mRoPE positions [3, S], equal to those of the model's get_rope_index."""
    out = np.empty((3, len(ids)), dtype=np.int64)
    at, here, left = 0, 0, iter(sizes)
    while at < len(ids):
        if ids[at] == image:
            grid = _grid(*next(left))
            out[:, at : at + grid.shape[1]] = grid + here
            at += grid.shape[1]
            here += int(grid[1:].max()) + 1
        else:
            out[:, at] = here
            at, here = at + 1, here + 1
    return out


def patches(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 [N, height, width, 3] -> float [N, 4 * tokens, 3 * 2 * 16 * 16], in the processor's order and scale."""
    n, height, width, _ = pixels.shape
    x = (pixels.float() / 255 - 0.5) / 0.5
    x = x.view(n, height // _UNIT, MERGE, PATCH, width // _UNIT, MERGE, PATCH, 3)
    x = x.permute(0, 1, 4, 2, 5, 7, 3, 6)  # n, block row, block column, patch row, patch column, channel, y, x
    x = x.unsqueeze(6).expand(-1, -1, -1, -1, -1, -1, 2, -1, -1)  # a still image counts as two equal frames
    return x.reshape(n, (height // PATCH) * (width // PATCH), -1)


@dataclass
class Batch:
    """The tensors of one training step. All images have one size; `*_index` are flat indices into [B * S].

    pixels uint8 [N, height, width, 3]; ids int64 [B, S]; positions int64 [3, B, S]; visual_index int64 [N * tokens];
    label_index int64 [L] (positions whose outputs predict the labels), labels int64 [L], weights float32 [L], which sum
    to 1.
    """

    pixels: torch.Tensor
    ids: torch.Tensor
    positions: torch.Tensor
    visual_index: torch.Tensor
    label_index: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    answer: torch.Tensor  # int64 [L]: the answer that a label belongs to, to count answers with all tokens right

    def to(self, device: torch.device) -> Batch:
        """A copy on the device."""
        return Batch(*(getattr(self, name).to(device, non_blocking=True) for name in Batch.__dataclass_fields__))

    def pin_memory(self) -> Batch:
        """A copy in pinned memory; called by the data loader."""
        return Batch(*(getattr(self, name).pin_memory() for name in Batch.__dataclass_fields__))


def draw_batch(
    encoder: Encoder, draws: Draws, size: tuple[int, int], turns: int, images: int, listing: float, talk: float
) -> Batch:
    """Dialogues of `turns` turns with about `images` screenshots in all; `listing` and `talk` are percentages."""
    rows: list[Ids] = []
    places: list[npt.NDArray[np.int64]] = []
    spans: list[list[tuple[int, int]]] = []
    pictures: list[npt.NDArray[np.uint8]] = []
    for _ in range(max(1, images // turns)):
        if draws.chance(talk):
            dialogue = draw_talk(draws)
        else:
            dialogue = draw_dialogue(draws, turns, size=size, listing_percent=listing)
        sizes = [size] * len(dialogue.screens)
        ids = encoder.ids(encoder.render(dialogue, dialogue.messages, prompt=False), sizes)
        rows.append(np.array(ids, dtype=np.int64))
        places.append(positions(rows[-1], encoder.image, sizes))
        spans.append(encoder.labels(ids, last_only=dialogue.thinking))
        pictures.extend(screen.pixels for screen in dialogue.screens)
    if not pictures:  # small talk only: the vision tower needs an image all the same
        pictures.append(np.zeros((size[1], size[0], 3), dtype=np.uint8))
    return _collate(encoder, rows, places, spans, pictures)


def _collate(
    encoder: Encoder,
    rows: list[Ids],
    places: list[npt.NDArray[np.int64]],
    spans: list[list[tuple[int, int]]],
    pictures: list[npt.NDArray[np.uint8]],
) -> Batch:
    longest = -(-max(map(len, rows)) // CELL) * CELL
    ids = np.full((len(rows), longest), encoder.pad, dtype=np.int64)
    where = np.zeros((3, len(rows), longest), dtype=np.int64)
    index: list[int] = []
    weights: list[float] = []
    answer: list[int] = []
    answers = sum(map(len, spans))
    for b, (row, place) in enumerate(zip(rows, places, strict=True)):
        ids[b, : len(row)] = row
        where[:, b, : len(row)] = place
        for first, end in spans[b]:
            # averaged over an answer's tokens, then over answers, so that long answers do not dominate
            weights.extend([1 / (end - first) / answers] * (end - first))
            answer.extend([answer[-1] + 1 if answer else 0] * (end - first))
            index.extend(range(b * longest + first - 1, b * longest + end - 1))
    flat = torch.from_numpy(ids)
    label_index = torch.tensor(index)
    return Batch(
        pixels=torch.from_numpy(np.stack(pictures)),
        ids=flat,
        positions=torch.from_numpy(where),
        visual_index=(flat.view(-1) == encoder.image).nonzero().squeeze(1),
        label_index=label_index,
        labels=flat.view(-1)[label_index + 1],
        weights=torch.tensor(weights, dtype=torch.float32),
        answer=torch.tensor(answer),
    )
