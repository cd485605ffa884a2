/** /generate wants one image pad per image and expands it itself, so runs of pads are collapsed before asking. */

/**
 * @param ids - prompt ids with expanded pads
 * @param padId - the image pad
 * @returns the same ids with every run of pads collapsed into one
 *
 * Pads of two images never touch: each image has its own vision start and end tokens.
 */
export function collapsePads(ids: ArrayLike<number>, padId: number): number[] {
  const collapsed: number[] = [];
  for (let at = 0; at < ids.length; at += 1) {
    if (ids[at] === padId && ids[at - 1] === padId) continue;
    collapsed.push(ids[at]!);
  }
  return collapsed;
}
