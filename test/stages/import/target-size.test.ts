import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { targetSizeOf } from "../../../src/stages/import/target-size.js";
import { isFixedPoint, smartResize } from "../../../src/tokens/smart-resize.js";

/** Limits as checkpoints have them: the most pixels are several times the least. */
const rule = fc
  .record({
    factor: fc.constantFrom(28, 32),
    low: fc.integer({ min: 1, max: 300 }),
    more: fc.integer({ min: 4, max: 4000 }),
  })
  .map(({ factor, low, more }) => ({
    factor,
    minPixels: low * factor * factor,
    maxPixels: (4 * low + more) * factor * factor,
  }));
const side = fc.integer({ min: 1, max: 5000 });

describe("the size that an image is scaled to", () => {
  it("is one that the processor leaves alone, or there is none", () => {
    fc.assert(
      fc.property(rule, side, side, (sizes, width, height) => {
        const target = targetSizeOf(sizes)({ width, height });
        if (target === null) {
          // Only what the processor refuses, or shapes so long that its own result is refused or grows again.
          expect(Math.max(width, height) / Math.min(width, height)).toBeGreaterThan(10);
        } else {
          expect(isFixedPoint(target, sizes)).toBe(true);
          expect(target.width % sizes.factor).toBe(0);
        }
      }),
      { seed: 61, numRuns: 2000 },
    );
  });

  it("is the processor's own choice for ordinary screenshots", () => {
    const sizes = { factor: 32, minPixels: 65_536, maxPixels: 1_000_000 };
    for (const [width, height] of [
      [1920, 1080],
      [1280, 720],
      [390, 844],
      [2560, 1440],
      [100, 100],
    ] as const) {
      expect(targetSizeOf(sizes)({ width, height })).toEqual(smartResize({ width, height }, sizes));
    }
    expect(targetSizeOf(sizes)({ width: 1280, height: 704 })).toEqual({ width: 1280, height: 704 });
  });

  it("turns with the picture: an EXIF rotation exchanges rows and columns and never changes the number of tokens", () => {
    fc.assert(
      fc.property(rule, side, side, (sizes, width, height) => {
        const upright = smartResize({ width, height }, sizes);
        const turned = smartResize({ width: height, height: width }, sizes);
        expect(turned).toEqual(upright === null ? null : { width: upright.height, height: upright.width });
      }),
      { seed: 62, numRuns: 2000 },
    );
  });
});
