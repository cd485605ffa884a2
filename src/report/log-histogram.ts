/** Counts of values in bins that grow by a quarter of an octave: any number of values in a few hundred numbers. */
import type { Bin } from "./charts.js";

const BINS_PER_OCTAVE = 4;

export class LogHistogram {
  private readonly counts: number[] = [];
  private total = 0;
  private sum = 0;
  private least = Number.POSITIVE_INFINITY;
  private most = 0;

  /**
   * @param unit - values below it share the first bin
   * @param isWhole - only whole numbers come: bounds are whole, and below 8 every number has its own bin
   */
  constructor(
    private readonly unit: number,
    private readonly isWhole = false,
  ) {}

  add(value: number): void {
    const bin = value < this.unit ? 0 : 1 + Math.floor(Math.log2(value / this.unit) * BINS_PER_OCTAVE);
    while (this.counts.length <= bin) this.counts.push(0);
    this.counts[bin]! += 1;
    this.total += 1;
    this.sum += value;
    this.least = Math.min(this.least, value);
    this.most = Math.max(this.most, value);
  }

  get count(): number {
    return this.total;
  }

  get mean(): number {
    return this.total === 0 ? 0 : this.sum / this.total;
  }

  get max(): number {
    return this.most;
  }

  /** The upper bound of its bin, so at most a fifth too large; never above the largest value seen. */
  percentile(share: number): number {
    let left = share * this.total;
    for (const [bin, count] of this.counts.entries()) {
      left -= count;
      if (left <= 0 && count > 0) return Math.min(this.most, this.bound(bin + 1) - (this.isWhole ? 1 : 0));
    }
    return this.most;
  }

  /** From the first bin that holds something to the last. */
  bins(): Bin[] {
    const first = this.counts.findIndex((count) => count > 0);
    if (first < 0) return [];
    const bins = this.counts.slice(first).map((count, at) => {
      return { from: this.bound(first + at), to: this.bound(first + at + 1), count };
    });
    // For small whole numbers there are bins that can never contain anything.
    return bins.filter(({ from, to }) => from < to);
  }

  private bound(bin: number): number {
    const exact = bin === 0 ? 0 : this.unit * 2 ** ((bin - 1) / BINS_PER_OCTAVE);
    return this.isWhole ? Math.ceil(exact) : exact;
  }
}
