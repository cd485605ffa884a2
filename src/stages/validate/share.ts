/** Shares as people read them. */

/** "100 % (812 of 812)"; rounded down, so that one difference never reads as 100 %. */
export function shareText(equal: number, compared: number): string {
  if (compared === 0) return "none compared";
  const share = equal === compared ? 100 : Math.floor((1000 * equal) / compared) / 10;
  return `${share} % (${equal} of ${compared})`;
}
