/** The size rule that `resize: fixed-point` follows, from a model directory or from three numbers. */
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

/** Applied more than once where needed: a size that the rule itself gives may be one that it changes again. */
export function targetSizeOf(rule: ResizeRule): NonNullable<CanonicalOptions["targetSize"]> {
  return (size) => {
    let current: Size | null = size;
    for (let round = 0; round < 8 && current !== null; round += 1) {
      if (isFixedPoint(current, rule)) return current;
      current = smartResize(current, rule);
    }
    return null;
  };
}
