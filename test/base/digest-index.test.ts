import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DigestIndex } from "../../src/base/index.js";

const MARK_BYTES = 16;

function digestOf(number: number): Buffer {
  return createHash("sha256").update(String(number)).digest();
}

/** Two values for each byte: many digests with one home slot, many that are equal, and one of zeros alone. */
function weakDigest(bits: number): Buffer {
  return Buffer.from(Array.from({ length: MARK_BYTES }, (_, byte) => ((bits >> byte) & 1) * 0x80));
}

/** Does the same with both, and holds every answer against the other's. */
function compare(digests: readonly Buffer[]): void {
  const index = new DigestIndex();
  const map = new Map<string, number>();
  for (const digest of digests) {
    const key = digest.toString("hex", 0, MARK_BYTES);
    expect(index.find(digest)).toBe(map.get(key));
    if (!map.has(key)) map.set(key, map.size);
    expect(index.add(digest)).toBe(map.get(key));
    expect(index.size).toBe(map.size);
  }
  for (const [key, number] of map) expect(index.find(Buffer.from(key, "hex"))).toBe(number);
}

describe("the index of digests", () => {
  it("gives the numbers that a map gives, while it grows", () => {
    const numbers = fc.array(fc.nat(5000), { minLength: 3000, maxLength: 6000 });
    fc.assert(
      fc.property(numbers, (all) => compare(all.map(digestOf))),
      { seed: 61, numRuns: 5 },
    );
  });

  it("does so when digests are alike in any of their bytes", () => {
    const weak = fc.array(
      fc.nat(2 ** MARK_BYTES - 1).map((bits) => weakDigest(bits)),
      { maxLength: 4000 },
    );
    fc.assert(
      fc.property(weak, (digests) => compare(digests)),
      { seed: 62, numRuns: 12 },
    );
  });

  it("takes digests that all share a home slot, one of zeros among them", () => {
    compare(
      Array.from({ length: 3000 }, (_, k) => {
        const digest = Buffer.alloc(MARK_BYTES);
        digest.writeUInt32LE(k, 4);
        return digest;
      }),
    );
  });

  it("looks at the first 16 bytes only", () => {
    const index = new DigestIndex();
    const digest = digestOf(1);
    index.add(digest);
    const other = Buffer.from(digest);
    other[MARK_BYTES]! ^= 1;
    expect(index.find(other)).toBe(0);
    other[MARK_BYTES - 1]! ^= 1;
    expect(index.find(other)).toBeUndefined();
  });
});
