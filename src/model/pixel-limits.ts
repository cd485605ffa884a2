/** The pixel limits in a processor's JSON, in all its forms, as transformers 5.23 reads them. */
import { isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";

export interface PixelLimits {
  minPixels: number;
  maxPixels: number;
}

/** Builds the error for one field of the file that is being read. */
export type Fail = (field: string, message: string) => Error;

/** A positive whole number, or the class's default if the key is absent or null (which 4.57 writes). */
export function positive(fail: Fail, field: string, value: JsonValue | undefined, fallback: number): number {
  const chosen = value ?? fallback;
  if (typeof chosen !== "number" || !Number.isInteger(chosen) || chosen <= 0) {
    throw fail(field, `must be a positive whole number, not ${JSON.stringify(chosen)}`);
  }
  return chosen;
}

/**
 * `size: {shortest_edge, longest_edge}` counts pixels, despite the names. For images, top-level `min_pixels` and
 * `max_pixels` each override it. For videos transformers ignores them, and so does this toolkit. With any other `size`
 * transformers fails when loading or at the first call; here it fails at once.
 */
export function pixelLimits(
  json: JsonObject,
  fail: Fail,
  defaults: PixelLimits,
  topLevel: "wins" | "ignored",
): PixelLimits {
  const top = topLevel === "wins" ? json : {};
  const both = top.min_pixels != null && top.max_pixels != null;
  const size = sizeOf(json.size, fail, both);
  const minPixels = positive(fail, "min_pixels", top.min_pixels ?? size.shortest_edge, defaults.minPixels);
  const maxPixels = positive(fail, "max_pixels", top.max_pixels ?? size.longest_edge, defaults.maxPixels);
  if (minPixels > maxPixels) throw fail("min_pixels", `${minPixels} is above max_pixels ${maxPixels}`);
  return { minPixels, maxPixels };
}

function sizeOf(size: JsonValue | undefined, fail: Fail, overridden: boolean): JsonObject {
  if (size === undefined || size === null) return {};
  const keys = isJsonObject(size) ? Object.keys(size).sort().join(",") : "";
  if (isJsonObject(size) && keys === "longest_edge,shortest_edge") return size;
  // transformers loads this form and fails at the first image, unless both limits are also at the top level.
  if (keys === "max_pixels,min_pixels" && overridden) return {};
  throw fail("size", `must have exactly shortest_edge and longest_edge (pixel counts), not ${JSON.stringify(size)}`);
}
