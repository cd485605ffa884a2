/** Visits and sorts all rows while letting the event loop run. */
import { TimeSlice } from "../../base/index.js";

/** Items between two checks of the clock. */
const ITEMS_PER_LOOK = 256;
/** Numbers sorted in one call: a few milliseconds. */
const RUN = 4096;

/** Calls `visit` for 0 .. length - 1. */
export async function forEachIndex(length: number, visit: (at: number) => void): Promise<void> {
  const slice = new TimeSlice();
  for (let at = 0; at < length; at += 1) {
    visit(at);
    if (at % ITEMS_PER_LOOK === 0 && slice.isOver) await slice.yieldToEventLoop();
  }
}

/**
 * The numbers 0 .. length - 1 in the order of `compare`: sorts runs natively, then merges them bottom-up.
 *
 * @param compare - must be a total order, so that the result is unique
 */
export async function sortedIndices(length: number, compare: (a: number, b: number) => number): Promise<Uint32Array> {
  let sorted = Uint32Array.from({ length }, (_, at) => at);
  const slice = new TimeSlice();
  for (let start = 0; start < length; start += RUN) {
    sorted.subarray(start, start + RUN).sort(compare);
    if (slice.isOver) await slice.yieldToEventLoop();
  }
  let merged = new Uint32Array(length);
  for (let width = RUN; width < length; width *= 2) {
    let left = 0;
    let right = 0;
    let leftEnd = 0;
    let rightEnd = 0;
    await forEachIndex(length, (at) => {
      if (at === rightEnd) {
        left = at;
        leftEnd = right = Math.min(length, at + width);
        rightEnd = Math.min(length, at + 2 * width);
      }
      const takesLeft = left < leftEnd && (right >= rightEnd || compare(sorted[left]!, sorted[right]!) <= 0);
      merged[at] = takesLeft ? sorted[left++]! : sorted[right++]!;
    });
    [sorted, merged] = [merged, sorted];
  }
  return sorted;
}
