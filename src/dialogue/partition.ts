/** Which machine takes which dialogue, decided by content: the order and the place of the file do not matter. */

/** One of `count` parts; `index` counts from 0, as Slurm arrays and Kubernetes indexed Jobs do. */
export interface Partition {
  index: number;
  count: number;
}

/** 48 bits, exact in a double. The last digits serve other choices, so that they do not fall together. */
const DIGITS = 12;

/** The part of a dialogue, from the digest of its content: parts come out equal in size but for chance. */
export function partitionOf(digest: string, count: number): number {
  return Number.parseInt(digest.slice(0, DIGITS), 16) % count;
}
