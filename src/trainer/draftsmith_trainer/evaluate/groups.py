"""Accept lengths of groups of responses, with intervals over dialogues."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..data.shards import Ints
from ..measure.interval import difference_interval, ratio_interval
from .records import Record, groupings

#: Most groups shown of one dimension; the rest are one group, named by their number.
MOST_GROUPS = 40


def by_dialogue(records: Iterable[Record], dialogues: Sequence[str]) -> Ints:
    """Sums by dialogue, float64 [dialogues, 4]: accepted tokens, steps, means of responses less 1, responses."""
    place = {name: number for number, name in enumerate(dialogues)}
    made: Ints = np.zeros((len(dialogues), 4))
    for one in records:
        made[place[one.dialogue]] += (one.correct, one.steps, one.mean - 1, 1)
    return made


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Both accept lengths with their intervals, as JSON."""
    dialogues = sorted({one.dialogue for one in records})
    table = by_dialogue(records, dialogues)
    correct, steps, means, responses = table.sum(axis=0)
    return {
        "responses": int(responses),
        "dialogues": len(dialogues),
        "steps": int(steps),
        "pooledAcceptLength": 1 + correct / steps if steps else 1.0,
        "interval": _bounds(ratio_interval(table[:, :2], 1.0)),
        "meanAcceptLength": 1 + means / responses if responses else 1.0,
        "meanInterval": _bounds(ratio_interval(table[:, 2:], 1.0)),
    }


def grouped(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Summaries by dimension (each tag key, turn, response length, context length, media), as JSON."""
    found: dict[str, dict[str, list[Record]]] = {}
    for one in records:
        for dimension, name in groupings(one):
            found.setdefault(dimension, {}).setdefault(name, []).append(one)
    return [
        {"dimension": dimension, "groups": [{"name": name, **summary(some)} for name, some in _shown(groups)]}
        for dimension, groups in sorted(found.items())
    ]


def _shown(groups: dict[str, list[Record]]) -> list[tuple[str, list[Record]]]:
    """The groups in order of their names, numbers by value; those with the fewest steps are put together."""
    largest = sorted(groups, key=lambda name: (-sum(one.steps for one in groups[name]), name))
    kept, rest = largest[:MOST_GROUPS], largest[MOST_GROUPS:]
    made = [(name, groups[name]) for name in sorted(kept, key=_order)]
    if rest:
        made.append((f"{len(rest)} other groups", [one for name in rest for one in groups[name]]))
    return made


def _order(name: str) -> tuple[float, str]:
    first = name.split("-")[0]
    return (float(first) if first.isdigit() else np.inf, name)


def paired(one: Sequence[Record], other: Sequence[Record]) -> dict[str, Any]:
    """The difference of two drafts over the same responses (``one`` less ``other``), as JSON.

    A response that needs a step with one draft needs one with the other: both lists hold the same responses.
    """
    dialogues = sorted({each.dialogue for each in one})
    mine, theirs = by_dialogue(one, dialogues), by_dialogue(other, dialogues)
    own, against = mine[:, 0] / mine[:, 1], theirs[:, 0] / theirs[:, 1]
    sums, others = mine.sum(axis=0), theirs.sum(axis=0)
    return {
        "dialogues": len(dialogues),
        "responses": len(one),
        "difference": float(sums[0] / sums[1] - others[0] / others[1]) if len(one) else 0.0,
        "interval": _bounds(difference_interval(mine[:, :2], theirs[:, :2])),
        "meanDifference": float((sums[2] - others[2]) / sums[3]) if len(one) else 0.0,
        "meanInterval": _bounds(difference_interval(mine[:, 2:], theirs[:, 2:])),
        "dialoguesBetter": int((own > against).sum()),
        "dialoguesEqual": int((own == against).sum()),
        "dialoguesWorse": int((own < against).sum()),
    }


def _bounds(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
