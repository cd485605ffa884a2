/** Expands the template's ids (one pad per image) to the model's input (one pad per image token), and finds token types. */
import type { SpecialIds } from "../model/index.js";

export const TYPE_TEXT = 0;
export const TYPE_IMAGE = 1;
export const TYPE_VIDEO = 2;

/**
 * Replaces the i-th image pad with `counts[i]` pads. Returns null if the number of pads differs from the number of
 * images: someone typed a placeholder, or the template dropped or repeated an image.
 */
export function expandPads(ids: Int32Array, imagePad: number, counts: readonly number[]): Int32Array | null {
  let pads = 0;
  // Indexed loops: iterators over typed arrays are several times slower.
  for (let i = 0; i < ids.length; i += 1) if (ids[i] === imagePad) pads += 1;
  if (pads !== counts.length) return null;
  if (pads === 0) return ids;
  const added = counts.reduce((sum, count) => sum + count - 1, 0);
  const expanded = new Int32Array(ids.length + added);
  let at = 0;
  let image = 0;
  for (let i = 0; i < ids.length; i += 1) {
    const id = ids[i]!;
    const count = id === imagePad ? counts[image++]! : 1;
    if (count === 1) expanded[at++] = id;
    else {
      expanded.fill(id, at, at + count);
      at += count;
    }
  }
  return expanded;
}

/** mm_token_type_ids, derived from the ids as the processor does. */
export function tokenTypes(ids: Int32Array, special: Pick<SpecialIds, "imagePad" | "videoPad">): Int8Array {
  const types = new Int8Array(ids.length);
  for (let at = 0; at < ids.length; at += 1) {
    const id = ids[at];
    if (id === special.imagePad) types[at] = TYPE_IMAGE;
    else if (id === special.videoPad) types[at] = TYPE_VIDEO;
  }
  return types;
}
