/** Formats shares for people. */

/** "100 % (812 of 812)". Rounds down: a single difference must never read as 100 %. */
export function shareText(equal: number, compared: number): string {
  if (compared === 0) return "none compared";
  const share = equal === compared ? 100 : Math.floor((1000 * equal) / compared) / 10;
  return `${share} % (${equal} of ${compared})`;
}
