"""The default choice of the target layers that a draft reads.

The rule is also implemented in TypeScript (src/model); golden tests keep the two equal.
"""

from __future__ import annotations

from ..base.errors import UserError

#: Qwen3-VL adds deepstack features after layers 0..2, and engines disagree whether a capture there is before or after
#: that addition: start at 3. Qwen3.5 has no deepstack.
_FIRST = {"qwen3_vl": 3, "qwen3_vl_moe": 3, "qwen3_5": 1, "qwen3_5_moe": 1}
_LAST_FROM_END = {"qwen3_vl": 4, "qwen3_vl_moe": 4, "qwen3_5": 3, "qwen3_5_moe": 3}

MODEL_TYPES = tuple(_FIRST)


def target_layer_ids(model_type: str, num_layers: int, count: int = 5) -> tuple[int, ...]:
    """``count`` layers spread evenly over the middle of a target of ``num_layers`` layers.

    ids = round_half_even(start + i * (end - start) / (count - 1)); start 3, end L - 4 for the Qwen3-VL families,
    start 1, end L - 3 for Qwen3.5. A target too small for ``count`` distinct layers yields all of start..end.

    Raises:
        UserError: ``unknown-target`` for another model type, ``target-too-small`` when start..end is empty.
    """
    if model_type not in _FIRST:
        known = ", ".join(MODEL_TYPES)
        raise UserError("unknown-target", f"no layer rule for model type {model_type!r}", f"known types: {known}")
    start, end = _FIRST[model_type], num_layers - _LAST_FROM_END[model_type]
    if end < start:
        raise UserError(
            "target-too-small",
            f"a {model_type} target of {num_layers} layers has no layer between {start} and {end}",
            "name the layers yourself in targetLayerIds",
        )
    if end - start + 1 <= count:
        return tuple(range(start, end + 1))
    if count == 1:
        return (start,)
    # Python's round() rounds half to even, as the rule requires; halves are exact in these fractions.
    return tuple(round(start + i * (end - start) / (count - 1)) for i in range(count))
