/** The size rule that `resize: fixed-point` follows, from a model directory or from three numbers. */
import type { OwnSize } from "../../dialogue/index.js";
import type { CanonicalOptions } from "../../images/index.js";
import { openModel } from "../../model/index.js";
import { resizeRule } from "../../tokens/image-tokens.js";
import { isFixedPoint, type ResizeRule, type Size, smartResize } from "../../tokens/smart-resize.js";
import type { ImportOptions } from "./options.js";

/** undefined for `resize: none`. */
export async function chosenRule(options: ImportOptions): Promise<ResizeRule | undefined> {
  if (options.resize === "none") return undefined;
  if (options.model !== undefined) return resizeRule((await openModel(options.model)).processor);
  const { factor, minPixels, maxPixels } = options;
  return { factor: factor!, minPixels: minPixels!, maxPixels: maxPixels! };
}

type TargetSize = NonNullable<CanonicalOptions["targetSize"]>;

/** Applied more than once where needed: a size that the rule itself gives may be one that it changes again. */
export function targetSizeOf(rule: ResizeRule): TargetSize {
  return (size) => {
    let current: Size | null = size;
    for (let round = 0; round < 8 && current !== null; round += 1) {
      if (isFixedPoint(current, rule)) return current;
      current = smartResize(current, rule);
    }
    return null;
  };
}

/**
 * The rule for an image that asks for limits or a size of its own, as qwen-vl-utils treats it: scaled by those first, and
 * then, since server and trainer follow the run's rule, to a size that this one leaves as it is.
 */
export function ownTargetSizeOf(rule: ResizeRule, own: OwnSize): TargetSize {
  const { factor } = rule;
  const settled = targetSizeOf(rule);
  const { minPixels = rule.minPixels, maxPixels = rule.maxPixels, width, height } = own;
  return (size) => {
    const wanted =
      width !== undefined && height !== undefined
        ? { width, height }
        : smartResize(size, {
            factor,
            minPixels: Math.min(minPixels, maxPixels),
            maxPixels: Math.max(minPixels, maxPixels),
          });
    return wanted === null ? null : settled(wanted);
  };
}
