"""``python -m families NAME DIR``: writes the tiny checkpoint of a named target."""

from __future__ import annotations

import argparse
from pathlib import Path

from .names import FAMILIES, FORMS


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m families", description=__doc__)
    parser.add_argument("name", choices=list(FAMILIES))
    parser.add_argument("directory", type=Path)
    parser.add_argument(
        "--form", choices=FORMS, default="hub", help="hub: as published; saved: as transformers saves it"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import transformers

    from .snapshot import write_family

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    write_family(options.name, options.directory, options.form, options.seed)


if __name__ == "__main__":
    main()
