"""Rows whose responses are what a random target says after a prompt with a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from draftsmith_trainer.data.images import PixelReader
from draftsmith_trainer.data.shards import ImageShards, RowShards
from reference_server.decode import greedy
from reference_server.decode.decoder import Decoder
from shard_maker import SampleRow, png_of, write_images, write_rows
from target_maker import IMAGE, VISION_END, VISION_START

#: A 64 x 64 picture: 4 x 4 patches, merged into 4 tokens.
_GRID, _TOKENS = (1, 4, 4), 4


def write_greedy_rows(shards: Path, target: Path, device: str, count: int, context: int, response: int) -> None:
    """Writes ``count`` rows of one turn into both splits, with a prompt of ``context`` tokens each."""
    # The target's head gives placeholders the logit 0, so it does not say this one: answers have their full length.
    (target / "generation_config.json").write_text(json.dumps({"eos_token_id": IMAGE}), "utf-8")
    rng = np.random.default_rng(0)
    pngs = [png_of(number) for number in range(count)]
    names = write_images(shards, pngs)
    rows = []
    for number in range(count):
        ids = [VISION_START, *[IMAGE] * _TOKENS, VISION_END]
        ids += rng.integers(0, 400, context - len(ids)).tolist()
        spans = [(context, context + response)]
        rows.append(SampleRow([*ids, *[0] * response], spans, IMAGE, [names[number]], [_GRID], f"dialogue-{number}"))
    write_rows(shards, "heldout", rows)
    decoder, reader = Decoder.load(target, device=device), PixelReader(target, ImageShards(shards))
    for row, read in zip(rows, RowShards(shards, "heldout"), strict=True):
        said = greedy.generate(decoder, torch.tensor(row.ids[:context]), *reader.pixels(read), max_new_tokens=response)
        row.ids[context:] = said.ids
    for split in ("train", "heldout"):
        write_rows(shards, split, rows)
