"""Server-sent events as SGLang writes them."""

from __future__ import annotations

import json
from typing import Any

DONE = "data: [DONE]\n\n"


def event(data: dict[str, Any]) -> str:
    """One event, compact JSON, non-ASCII as it is."""
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"
