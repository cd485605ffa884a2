"""The worker program: reads orders from standard input, decodes, answers on standard output, exits at end of input.

One JSON array per line. Order: [ticket, hash, offset]. Answer: [ticket] when the pixels are in memory,
[ticket, code, message, hint] for a bad picture that the user must fix, [ticket, null, traceback] for a bug.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from ...base.errors import UserError
from ..shards import ImageShards
from .decode import read_picture


def main(argv: list[str]) -> None:
    """``worker DESCRIPTOR SIZE DIRECTORY``: the memory to decode into, the directory of the image shards."""
    descriptor, size, directory = int(argv[0]), int(argv[1]), Path(argv[2])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # Keeps library output from mixing with the answers.
    images = ImageShards(directory)
    memory = mmap.mmap(descriptor, size)
    for line in sys.stdin.buffer:
        ticket, name, offset = json.loads(line)
        answer = [ticket, *_decode(images, memory, name, offset)]
        try:
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.flush()
        except BrokenPipeError:
            os._exit(0)  # The trainer was killed; a normal exit would report the unsent answer as an error.


def _decode(images: ImageShards, memory: mmap.mmap, name: str, offset: int) -> list[Any]:
    try:
        pixels = read_picture(images, name)
        place = np.frombuffer(memory, np.uint8, pixels.size, offset)
        place.reshape(pixels.shape)[...] = pixels
    except UserError as error:
        return [error.code, error.message, error.hint]
    except Exception:
        return [None, traceback.format_exc()]
    return []


if __name__ == "__main__":
    main(sys.argv[1:])
