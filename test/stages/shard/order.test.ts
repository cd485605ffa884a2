import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { forEachIndex, sortedIndices } from "../../../src/stages/shard/order.js";

describe("sorting in pieces", () => {
  it("gives what the engine's sort gives, over the borders of runs too", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, 1, 2, 4095, 4096, 4097, 8192, 12_289, 20_000),
        fc.nat(1000),
        async (length, seed) => {
          // Many equal keys: the index decides between them.
          const keys = Float64Array.from({ length }, (_, at) => (at * 7919 + seed * 104_729) % 1013);
          const compare = (a: number, b: number): number => keys[a]! - keys[b]! || a - b;
          const wanted = Uint32Array.from({ length }, (_, at) => at).sort(compare);
          expect(await sortedIndices(length, compare)).toEqual(wanted);
        },
      ),
      { seed: 51, numRuns: 30 },
    );
  });

  it("lets others run in between", async () => {
    let others = 0;
    const timer = setInterval(() => {
      others += 1;
    }, 1);
    await forEachIndex(2_000_000, (at) => Math.sin(at));
    clearInterval(timer);
    expect(others).toBeGreaterThan(0);
  });
});
