"""The job files' classes and the stages' schemas say the same: names, bounds, defaults, choices, patterns."""

import dataclasses
import json
import math
import types
from pathlib import Path
from typing import Literal, Union, get_args, get_origin, get_type_hints

import pytest
from draftsmith_trainer.algorithms.settings import SETTINGS
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.base.typed_json import parse
from draftsmith_trainer.evaluate.options import EvaluateOptions
from draftsmith_trainer.export.options import ExportOptions
from draftsmith_trainer.train.options import TrainOptions

SCHEMAS = Path(__file__).parents[3] / "configs" / "schema"

#: stage -> (class, options that the stage keeps to itself, options that only a job file has).
PAIRS = {
    "train": (TrainOptions, {"model", "processes", "nodes", "nodeRank", "rendezvous"}, set()),
    "evaluate": (
        EvaluateOptions,
        {
            "model",
            "untrained",
            "server",
            "apiKeyEnv",
            "serverRows",
            "serverConcurrency",
            "requestTimeoutSeconds",
            "engineLatencies",
        },
        {"compareDrafts"},
    ),
    "export": (ExportOptions, {"model", "license"}, set()),
}


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def of_schema(schema):
    """A property of a JSON schema in the form of :func:`of_field`."""
    words = [one for one in schema.get("anyOf", []) if "const" in one]
    if words:
        assert schema["anyOf"] == [*words, {"type": "boolean"}]
        choices = [*(one["const"] for one in words), True, False]
        return {"kind": "string", "null": False, "default": schema["default"], "choices": choices}
    if "anyOf" in schema:
        (real,) = [one for one in schema["anyOf"] if one != {"type": "null"}]
        return {**of_schema({**real, "default": schema.get("default")}), "null": True}
    if isinstance(schema["type"], list):
        (real,) = [one for one in schema["type"] if one != "null"]
        return {**of_schema({**schema, "type": real}), "null": True}
    kind = schema["type"]
    made = {"kind": kind, "null": False}
    if kind == "object":
        return {**made, "fields": {key: of_schema(value) for key, value in schema["properties"].items()}}
    made["default"] = schema.get("default")
    if "enum" in schema:
        return {**made, "choices": schema["enum"]}
    if kind == "array":
        items = of_schema({"default": None, **schema["items"]})
        return {**made, "items": items, "fewest": schema.get("minItems", 0)}
    if kind in ("integer", "number"):
        low = (schema.get("minimum", -math.inf), False)
        if "exclusiveMinimum" in schema:
            low = (schema["exclusiveMinimum"], True)
        high = (schema.get("maximum", math.inf), False)
        if "exclusiveMaximum" in schema:
            high = (schema["exclusiveMaximum"], True)
        return {**made, **bounds(kind, low, high)}
    if kind == "boolean":
        return made
    return {**made, "pattern": schema.get("pattern", "").removeprefix("^(").removesuffix(")$")}


def bounds(kind, low, high):
    """Whole numbers: > 0 is >= 1, and JavaScript's largest exact integer is no bound."""
    if kind == "integer":
        low = (math.floor(low[0]) + 1 if low[1] else low[0], False)
        high = (math.inf if high[0] >= 2**53 - 1 else high[0], high[1])
    return {"low": low, "high": high}


def of_class(kind):
    hints = get_type_hints(kind)
    return {camel(f.name): of_field(hints[f.name], f.metadata, default_of(f)) for f in dataclasses.fields(kind)}


def default_of(field):
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def of_field(hint, limits, default):
    if get_origin(hint) in (Union, types.UnionType):
        (real,) = [one for one in get_args(hint) if one is not type(None)]
        return {**of_field(real, limits, default), "null": True}
    if dataclasses.is_dataclass(hint):
        return {"kind": "object", "null": False, "fields": of_class(hint)}
    made = {"null": False, "default": default}
    if get_origin(hint) is Literal:
        return {**made, "kind": "string", "choices": list(get_args(hint))}
    if get_origin(hint) is list:
        items = of_field(get_args(hint)[0], limits.get("items", {}), None)
        return {**made, "kind": "array", "items": items, "fewest": limits.get("fewest", 0)}
    if hint in (int, float):
        kind = "integer" if hint is int else "number"
        low = (limits.get("low", -math.inf), limits.get("above", False))
        high = (limits.get("high", math.inf), limits.get("below", False))
        return {**made, "kind": kind, **bounds(kind, low, high)}
    if hint is bool:
        return {**made, "kind": "boolean"}
    return {**made, "kind": "string", "pattern": limits.get("pattern", "")}


@pytest.mark.parametrize("stage", PAIRS)
def test_options_are_those_of_the_schema(stage):
    kind, of_the_stage, of_the_job = PAIRS[stage]
    schema = json.loads((SCHEMAS / f"{stage}.schema.json").read_text("utf-8"))
    wanted = {name: of_schema(one) for name, one in schema["properties"].items() if name not in of_the_stage}
    made = {name: one for name, one in of_class(kind).items() if name not in of_the_job}
    if stage == "train":
        # The registry knows the algorithms; the class takes any name and the registry refuses it.
        head = made["draft"]["fields"].pop("head")
        assert wanted["draft"]["fields"].pop("head") == {
            "kind": "string",
            "null": False,
            "default": head["default"],
            "choices": list(SETTINGS),
        }
    assert made == wanted


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (TrainOptions, {"beta2": 1}, "beta2 must be at least 0 and less than 1"),
        (TrainOptions, {"seed": 2**53}, "at most 9007199254740991"),
        (TrainOptions, {"draft": {"headDim": 1}}, "draft.headDim must be at least 2"),
        (TrainOptions, {"draft": {"targetLayerIds": []}}, "draft.targetLayerIds must have at least 1 entries"),
        (TrainOptions, {"draft": {"slidingLayers": [0, -1]}}, "draft.slidingLayers[1] must be at least 0"),
        (EvaluateOptions, {"breakEven": 0.5}, "breakEven must be at least 1"),
        (ExportOptions, {"checkpoint": "step-7"}, "checkpoint must match"),
        (ExportOptions, {"checkpoint": "best\n"}, "checkpoint must match"),
    ],
)
def test_bounds_are_enforced(kind, options, message):
    with pytest.raises(UserError) as error:
        parse(kind, options, "")
    assert error.value.code == "bad-option" and message in error.value.message
