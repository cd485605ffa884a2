import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Marks } from "../../../src/stages/tokenize/marks.js";

describe("marks", () => {
  it("are what a set of strings is, while they grow", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9000), { minLength: 1, maxLength: 12_000 }), (numbers) => {
        const marks = new Marks();
        const set = new Set<number>();
        for (const number of numbers) {
          const digest = createHash("sha256").update(String(number)).digest();
          expect(marks.add(digest)).toBe(!set.has(number));
          set.add(number);
        }
        expect(marks.size).toBe(set.size);
      }),
      { seed: 61, numRuns: 8 },
    );
  });

  it("tell marks apart that begin alike, and take one of zeros", () => {
    const marks = new Marks();
    for (let k = 0; k < 5000; k += 1) {
      const digest = Buffer.alloc(32);
      digest.writeUInt32LE(k, 12);
      expect(marks.add(digest)).toBe(true);
      expect(marks.add(digest)).toBe(false);
    }
  });
});
