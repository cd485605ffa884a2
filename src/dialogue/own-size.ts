/** The size that a row asks for one of its images: `min_pixels`, `max_pixels`, `resized_height` and `resized_width`. */
import { numberOf } from "../base/index.js";
import type { Fields } from "./fields.js";
import type { OwnSize } from "./raw-dialogue.js";

const SIZE_FIELDS = {
  min_pixels: "minPixels",
  max_pixels: "maxPixels",
  resized_height: "height",
  resized_width: "width",
} as const satisfies Record<string, keyof OwnSize>;
const NAMES = Object.entries(SIZE_FIELDS);

/** Keys of image and video parts that decide sizes. */
export const SIZE_KEYS: readonly string[] = [...Object.keys(SIZE_FIELDS), "total_pixels"];

/** undefined where the part leaves its size to the processor. */
export function ownSizeOf(fields: Fields): OwnSize | undefined {
  if (!NAMES.some(([key]) => fields.has(key))) return undefined;
  const size: OwnSize = {};
  for (const [key, name] of NAMES) {
    const value = fields.take(key);
    if (value === undefined) continue;
    const pixels = numberOf(value);
    if (pixels === undefined || !Number.isSafeInteger(pixels) || pixels <= 0) {
      throw fields.problem("image-size-rule", `\`${key}\` is no positive whole number`);
    }
    size[name] = pixels;
  }
  if ((size.height === undefined) !== (size.width === undefined)) {
    throw fields.problem("image-size-rule", "`resized_height` and `resized_width` go together");
  }
  if (size.height !== undefined && (size.minPixels ?? size.maxPixels) !== undefined) {
    throw fields.problem("image-size-rule", "a size and limits of pixels exclude each other");
  }
  if ((size.minPixels ?? 0) > (size.maxPixels ?? Number.POSITIVE_INFINITY)) {
    throw fields.problem("image-size-rule", "`min_pixels` is more than `max_pixels`");
  }
  return Object.keys(size).length === 0 ? undefined : size;
}
