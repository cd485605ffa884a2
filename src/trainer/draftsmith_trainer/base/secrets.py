"""Removes secrets from text that others wrote before it is shown or logged."""

from __future__ import annotations

import os
import re

#: Environment variables whose values are secrets, by their names.
_SECRET_NAME = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:_|$)", re.IGNORECASE)
#: User and password before the host of an address.
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
#: Shorter values occur in ordinary text by chance.
_SHORTEST = 6


def hide_secrets(text: str) -> str:
    """``text`` without the values of secret environment variables, and without user and password in addresses."""
    values = [value for name, value in os.environ.items() if _SECRET_NAME.search(name) and len(value) >= _SHORTEST]
    # The longest first: one secret may begin with another.
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "[hidden]")
    return _USERINFO.sub("[hidden]@", text)
