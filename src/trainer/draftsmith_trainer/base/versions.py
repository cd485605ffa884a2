"""Which releases of transformers the code works with. ``python test/trainer/transformers_matrix`` shows it."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, version

from .errors import UserError

#: Oldest and newest release that the matrix covers; src/trainer-process/probe.ts and pyproject.toml name them too.
OLDEST, NEWEST = (5, 7), (5, 24)


def check_transformers() -> None:
    """Refuses a transformers that is too old, from its metadata, without importing it. A missing one passes here.

    Raises:
        UserError: ``python-package-old`` with the command that mends it.
    """
    try:
        found = version("transformers")
    except PackageNotFoundError:
        return
    parts = re.match(r"(\d+)\.(\d+)", found)
    if parts is None or (int(parts[1]), int(parts[2])) >= OLDEST:
        return
    oldest = ".".join(map(str, OLDEST))
    raise UserError(
        "python-package-old",
        f"{sys.executable} has transformers {found}, but {oldest} or newer is needed: older releases derive a prompt's "
        "positions without mm_token_type_ids",
        f"{sys.executable} -m pip install 'transformers>={oldest},<6'",
    )
