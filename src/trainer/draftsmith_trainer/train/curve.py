"""training.json: the course of a run as data, made from the lines of metrics.jsonl alone."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .state import Progress

#: Most points of the curve of steps; of a longer run every n-th line is taken.
POINTS = 500
_STEP_FIGURES = ("loss", "lr", "gradNorm", "trainAcceptLength", "accuracyByPlace")


def training_report(metrics: Path, progress: Progress, per_epoch: int, block_size: int, stopped: str) -> dict[str, Any]:
    """The course of a finished run: steps, evaluations, and by epoch training beside held-out rows.

    Args:
        metrics: metrics.jsonl. per_epoch: optimizer steps of an epoch. stopped: why the run ended.
    """
    lines = [json.loads(line) for line in metrics.read_text("utf-8").splitlines()]
    evaluations = [_evaluation(line) for line in lines if "eval" in line]
    best = next((one for one in evaluations if one["step"] == progress.best_step and one["step"]), None)
    return {
        "schemaVersion": 1,
        "blockSize": block_size,
        "stepsPerEpoch": per_epoch,
        "steps": progress.step,
        "stopped": stopped,
        "best": best and {key: best[key] for key in ("step", "epoch", "pooledAcceptLength", "interval")},
        "evaluations": evaluations,
        "epochs": _epochs(evaluations),
        "curve": _thinned([line for line in lines if "loss" in line]),
    }


def _evaluation(line: dict[str, Any]) -> dict[str, Any]:
    found = line["eval"]
    return {
        "step": line["step"],
        "epoch": line["epoch"],
        "train": line["train"],
        **{key: value for key, value in found.items() if key != "steps"},
        "verificationSteps": found["steps"],
        "difference": found.get("difference"),
        "differenceInterval": found.get("differenceInterval"),
    }


def _epochs(evaluations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each epoch its last evaluation, beside the mean over its training steps."""
    made = []
    last = math.ceil(evaluations[-1]["epoch"]) if evaluations else 0
    for epoch in range(1, last + 1):
        some = [one for one in evaluations if epoch - 1 < one["epoch"] <= epoch]
        if not some:
            continue
        trained = [one["train"] for one in some if one["train"] is not None]
        steps = sum(one["steps"] for one in trained)
        made.append(
            {
                "epoch": some[-1]["epoch"],
                "step": some[-1]["step"],
                "trainLoss": sum(one["loss"] * one["steps"] for one in trained) / steps if steps else None,
                "trainAcceptLength": sum(one["acceptLength"] * one["steps"] for one in trained) / steps
                if steps
                else None,
                "heldoutAnchorAcceptLength": some[-1]["anchorAcceptLength"],
                "pooledAcceptLength": some[-1]["pooledAcceptLength"],
                "interval": some[-1]["interval"],
            }
        )
    return made


def _thinned(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    every = max(1, math.ceil(len(lines) / POINTS))
    return [{key: line[key] for key in ("step", "epoch", *_STEP_FIGURES)} for line in lines[every - 1 :: every]]
