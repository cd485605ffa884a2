"""``python -m draftsmith_trainer.parity MODEL_DIR``: JSON questions on stdin, one answer a line on stdout."""

from __future__ import annotations

import sys

from transformers import logging

from .reference import Reference, answer_line


def main() -> None:
    logging.set_verbosity_error()
    reference = Reference(sys.argv[1])
    # Questions are UTF-8 whatever the locale says.
    for line in sys.stdin.buffer:
        sys.stdout.write(answer_line(reference, line.decode("utf-8")) + "\n")
        sys.stdout.flush()


main()
