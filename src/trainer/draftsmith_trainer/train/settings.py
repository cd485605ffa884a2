"""What the numbers of a run follow from, and how two runs differ in it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ..algorithms.settings import config_json
from ..base.typed_json import to_json
from ..draft.config import DraftConfig
from .corpus import Corpus
from .options import TrainJob, TrainOptions

#: Options that do not change what is learned: how fast, where, how long, and what is kept of it. An interrupted run
#: goes on with others. The rows of a step are compared as a whole, however processes share them.
NEUTRAL = (
    "batchSize",
    "accumulate",
    "maxMinutes",
    "device",
    "attention",
    "threads",
    "packTokens",
    "draftTokens",
    "slowRecurrence",
    "shardTarget",
    "stateCacheMb",
    "checkpointEvery",
    "keepLast",
    "keepEvery",
    "maxSkipped",
    "maxSkippedInARow",
    "earlyStopPatience",
    "earlyStopGain",
    "reportTo",
    "onConflict",
    # What the file says is in the draft's config; where it is makes no difference.
    "draft.config",
)


def run_settings(job: TrainJob, config: DraftConfig, corpus: Corpus, batch: int) -> dict[str, Any]:
    """Identifies a run: its state is continued only where all of this is equal.

    Args:
        batch: rows of a step, over all processes.
    """
    options = {name: value for name, value in _flat(to_json(job.options)).items() if name not in NEUTRAL}
    lengths = hashlib.sha256(corpus.train.lengths.tobytes() + corpus.heldout.lengths.tobytes()).hexdigest()
    weights = {path.name: path.stat().st_size for path in sorted(job.target.glob("*.safetensors"))}
    made = {"options": options, "draft": config_json(config), "rows": lengths, "weights": weights, "rowsPerStep": batch}
    plain: dict[str, Any] = json.loads(json.dumps(made))
    return plain


def run_layout(options: TrainOptions, world: int) -> dict[str, int]:
    """How the rows of a step are shared out."""
    return {"batchSize": options.batch_size, "accumulate": options.accumulate, "processes": world}


def changes(before: dict[str, Any], now: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs between the settings of two runs, by the name that users know: the earlier value and this one.

    An option that the earlier run did not know had what is its default now.
    """
    if not before:
        return {"version of draftsmith": ("an earlier one", "this one")}
    defaults = _flat(to_json(TrainOptions()))
    old, new = ({**defaults, **settings["options"]} for settings in (before, now))
    found = {name: (old.get(name), new.get(name)) for name in sorted({*old, *new}) if name not in NEUTRAL}
    found["rows per step"] = (before["rowsPerStep"], now["rowsPerStep"])
    found = {name: both for name, both in found.items() if both[0] != both[1]}
    if not found:
        shapes = (before["draft"], now["draft"])
        names = sorted(set(shapes[0]) | set(shapes[1]))
        found = {f"draft config {name}": (shapes[0].get(name), shapes[1].get(name)) for name in names}
        found = {name: both for name, both in found.items() if both[0] != both[1]}
    for part, what in (("rows", "rows"), ("weights", "target weights")):
        if before[part] != now[part]:
            found[what] = (_brief(before[part]), _brief(now[part]))
    return found


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else hashlib.sha256(json.dumps(value).encode()).hexdigest()
    return text[:12]


def _flat(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options by dotted name, as users write them."""
    made: dict[str, Any] = {}
    for name, value in options.items():
        made.update(_flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value})
    return made
