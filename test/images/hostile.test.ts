/** Every hostile file gets a reason or its picture, from a process that stays small; none of what surrounds a picture is kept. */
import { describe, expect, it } from "vitest";
import { canonicalise, DEFAULT_LIMITS } from "../../src/images/index.js";
import { hostileFiles } from "./hostile.js";
import { chunkTypes, plain } from "./pictures.js";

const options = { limits: DEFAULT_LIMITS, flattenColour: "#ffffff" };
const files = await hostileFiles();

describe("hostile files", () => {
  it.each(files.map((file) => [file.name, file] as const))("%s", async (_, { bytes, becomes }) => {
    const result = await canonicalise(bytes, options);
    if (typeof becomes === "string") {
      expect(result).toMatchObject({ ok: false, reason: becomes });
      return;
    }
    expect(result).toMatchObject({ ok: true, ...becomes });
    if (result.ok) expect(new Set(chunkTypes(result.png))).toEqual(new Set(["IHDR", "IDAT", "IEND"]));
  });

  it("together they have the results that each has alone", async () => {
    const together = await Promise.all(files.map(({ bytes }) => canonicalise(bytes, options)));
    for (const [at, { name, becomes }] of files.entries()) {
      const result = together[at]!;
      const shown = result.ok ? { width: result.width, height: result.height } : result.reason;
      expect([name, shown]).toEqual([name, becomes]);
    }
  });

  it("work beyond the time limit is given up with a reason of its own, not called damage", async () => {
    const bytes = await plain(7000, 7000).webp({ lossless: true, effort: 0 }).toBuffer();
    const limits = { ...DEFAULT_LIMITS, maxSeconds: 1 };
    // Scaling up to 400 million pixels and compressing them takes many seconds anywhere.
    const targetSize = () => ({ width: 20_000, height: 20_000 });
    expect(await canonicalise(bytes, { ...options, limits, targetSize })).toMatchObject({
      ok: false,
      reason: "image-too-slow",
    });
  });
});
