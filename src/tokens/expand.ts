/** From the template's ids (one pad an image) to the model's positions (one pad an image token), and their types. */
import type { SpecialIds } from "../model/index.js";

export const TYPE_TEXT = 0;
export const TYPE_IMAGE = 1;
export const TYPE_VIDEO = 2;

/**
 * Puts `counts[i]` pads in place of the i-th image pad. Returns null where the number of pads is not that of the
 * images: a placeholder was typed by hand, or the template dropped or doubled an image.
 */
export function expandPads(ids: Int32Array, imagePad: number, counts: readonly number[]): Int32Array | null {
  let pads = 0;
  // Indices: iterators over typed arrays take several times as long.
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

/** mm_token_type_ids, found from the ids as the processor finds them. */
export function tokenTypes(ids: Int32Array, special: Pick<SpecialIds, "imagePad" | "videoPad">): Int8Array {
  const types = new Int8Array(ids.length);
  for (let at = 0; at < ids.length; at += 1) {
    const id = ids[at];
    if (id === special.imagePad) types[at] = TYPE_IMAGE;
    else if (id === special.videoPad) types[at] = TYPE_VIDEO;
  }
  return types;
}
