/** /generate takes ONE image pad per picture and expands it itself: runs of pads are folded back before asking. */

/**
 * @param ids - prompt ids with expanded pads
 * @param padId - the image pad
 * @returns the same ids with every run of pads folded into one pad
 *
 * Two pictures never touch: each stands between its own vision start and end tokens.
 */
export function collapsePads(ids: ArrayLike<number>, padId: number): number[] {
  const collapsed: number[] = [];
  for (let at = 0; at < ids.length; at += 1) {
    if (ids[at] === padId && ids[at - 1] === padId) continue;
    collapsed.push(ids[at]!);
  }
  return collapsed;
}
