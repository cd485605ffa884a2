"""``python -m parity MODEL_DIR``: JSON questions on stdin, one answer a line on stdout."""

from __future__ import annotations

import json
import sys
from functools import lru_cache

from transformers import logging

from .reference import Reference


@lru_cache(maxsize=8)
def opened(model: str) -> Reference:
    """Opening takes longer than most questions: once for each directory."""
    return Reference(model)


def main() -> None:
    """Answers until stdin ends. A question may name a ``model`` directory of its own."""
    logging.set_verbosity_error()
    # Questions are UTF-8 whatever the locale says.
    for line in sys.stdin.buffer:
        question = json.loads(line.decode("utf-8"))
        answer = opened(question.get("model", sys.argv[1])).answer(question)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


main()
