import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodedImage } from "../../src/sglang/index.js";

describe("a picture's base64", () => {
  it("is that of the whole, wherever it is divided", () => {
    // Around one and several of the parts in which it is made.
    const length = fc.oneof(
      fc.nat(10),
      fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: -4, max: 4 })).map(([k, more]) => k * 8192 + more),
    );
    fc.assert(
      fc.property(length, fc.nat(7), (bytes, offset) => {
        const all = randomBytes(offset + bytes);
        const png = new Uint8Array(all.buffer, all.byteOffset + offset, bytes);
        expect(encodedImage(png).base64.toString("latin1")).toBe(Buffer.from(png).toString("base64"));
      }),
      { seed: 81, numRuns: 150 },
    );
  });
});
