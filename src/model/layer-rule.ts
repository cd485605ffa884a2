/**
 * Which target layers a draft reads by default. Ids are 0-based: id k means the output of layer k.
 * The trainer implements the same rule in Python; a test compares the two.
 */
import { DraftsmithError } from "../base/index.js";
import { familyOf, type ModelType } from "./families.js";

export const CAPTURED_LAYERS = 5;

/**
 * `count` ids evenly spaced between the family's first and last usable layer, rounded half to even; all usable layers if
 * there are no more than `count`. Throws MODEL_INVALID if the target has none.
 */
export function targetLayerIds(modelType: ModelType, layers: number, count = CAPTURED_LAYERS): number[] {
  const { firstLayer: start, lastLayerOffset } = familyOf(modelType);
  const end = layers - lastLayerOffset;
  if (end < start) {
    throw new DraftsmithError(
      "MODEL_INVALID",
      `a ${modelType} target of ${layers} layers has no layer between ${start} and ${end}`,
      { hint: "set targetLayerIds explicitly" },
    );
  }
  if (end - start + 1 <= count) return Array.from({ length: end - start + 1 }, (_, i) => start + i);
  if (count === 1) return [start];
  return Array.from({ length: count }, (_, i) => roundHalfEven(start + (i * (end - start)) / (count - 1)));
}

/** Python's round() to a whole number. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
