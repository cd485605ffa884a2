/** What the rows of a split amount to: counts, tokens, and how long the rows are. */
import { SPLIT_IN_FILES, SPLITS, type SplitName } from "../../artifacts/index.js";
import type { JsonObject } from "../../base/index.js";
import { type Bin, LogHistogram } from "../../report/index.js";
import { forEachIndex } from "./order.js";
import type { IndexedRow } from "./row-index.js";

export interface Distribution {
  total: number;
  mean: number;
  /** Exact. */
  max: number;
  /** Upper bounds of their bins: at most a fifth too large. */
  p50: number;
  p90: number;
  p99: number;
  /** Rows by value: from (inclusive), to (exclusive). */
  bins: Bin[];
}

export interface SplitFacts {
  /** In the names of its files. */
  name: string;
  files: string[];
  rows: number;
  /** Of each row. */
  tokens: Distribution;
  /** Tokens of answers in each row. */
  supervised: Distribution;
  /** Images in each row, frames of videos among them. */
  images: Distribution;
}

export async function splitFacts(
  split: SplitName,
  files: string[],
  rows: readonly IndexedRow[],
  numbers: Uint32Array,
): Promise<SplitFacts> {
  const [tokens, supervised, images] = [0, 1, 2].map(() => new Values()) as [Values, Values, Values];
  await forEachIndex(numbers.length, (at) => {
    const row = rows[numbers[at]!]!;
    tokens.add(row.tokens);
    supervised.add(row.supervised);
    images.add(row.images.length);
  });
  return {
    name: SPLIT_IN_FILES[split],
    files,
    rows: numbers.length,
    tokens: tokens.facts(),
    supervised: supervised.facts(),
    images: images.facts(),
  };
}

/** Facts of a split as JSON, under the toolkit's own names of the splits. */
export function splitsJson(facts: Readonly<Record<SplitName, SplitFacts>>): JsonObject {
  return Object.fromEntries(SPLITS.map((split) => [split, structuredClone(facts[split]) as object])) as JsonObject;
}

class Values {
  private readonly histogram = new LogHistogram(1, true);
  private total = 0;

  add(value: number): void {
    this.histogram.add(value);
    this.total += value;
  }

  facts(): Distribution {
    const { histogram, total } = this;
    const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => histogram.percentile(share)) as [number, number, number];
    const mean = Math.round(histogram.mean * 100) / 100;
    return { total, mean, max: histogram.max, p50, p90, p99, bins: histogram.bins() };
  }
}
