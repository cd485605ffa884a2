import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { sha256 } from "../../src/base/index.js";
import {
  type CanonicalOptions,
  canonicalise,
  DEFAULT_LIMITS,
  headerSize,
  sniffFormat,
} from "../../src/images/index.js";
import { chunkTypes, pixels, plain, RED, rawPng, twoHalves } from "./pictures.js";

const options: CanonicalOptions = { limits: DEFAULT_LIMITS, flattenColour: "#ffffff" };

async function canonical(bytes: Buffer, more: Partial<CanonicalOptions> = {}) {
  const result = await canonicalise(bytes, { ...options, ...more });
  if (!result.ok) throw new Error(`${result.reason}: ${result.message}`);
  return result;
}

async function reasonOf(bytes: Buffer, more: Partial<CanonicalOptions> = {}) {
  const result = await canonicalise(bytes, { ...options, ...more });
  return result.ok ? "accepted" : result.reason;
}

function near(pixel: number[], { r, g, b }: typeof RED, tolerance: number): void {
  expect(pixel).toHaveLength(3);
  for (const [k, value] of [r, g, b].entries()) expect(Math.abs(pixel[k]! - value)).toBeLessThanOrEqual(tolerance);
}

describe("every kind of picture becomes 8-bit RGB", () => {
  const kinds: Record<string, [() => Promise<Buffer>, number]> = {
    png: [() => plain().png().toBuffer(), 0],
    jpeg: [() => plain().jpeg().toBuffer(), 3],
    "jpeg with density": [() => plain().withMetadata({ density: 300 }).jpeg().toBuffer(), 3],
    palette: [() => plain().png({ palette: true }).toBuffer(), 0],
    interlaced: [() => plain().png({ progressive: true }).toBuffer(), 0],
    "16 bit": [() => plain().toColourspace("rgb16").png().toBuffer(), 0],
    "colour profile": [() => plain().withIccProfile("p3").png().toBuffer(), 2],
    cmyk: [() => plain().toColourspace("cmyk").jpeg().toBuffer(), 25],
    webp: [() => plain().webp().toBuffer(), 3],
    tiff: [() => plain().tiff().toBuffer(), 3],
    avif: [() => plain().avif().toBuffer(), 3],
    gif: [() => plain().gif().toBuffer(), 3],
  };
  for (const [kind, [make, tolerance]] of Object.entries(kinds)) {
    it(kind, async () => {
      const image = await canonical(await make());
      expect(image).toMatchObject({ width: 60, height: 40, hash: sha256(image.png) });
      expect(chunkTypes(image.png).filter((type) => type !== "IDAT")).toEqual(["IHDR", "IEND"]);
      const { at, channels } = await pixels(image.png);
      expect(channels).toBe(3);
      near(at(30, 20), RED, tolerance);
    });
  }

  it("grey of 8 and 16 bits", async () => {
    for (const space of ["b-w", "grey16"]) {
      const { png } = await canonical(await plain().toColourspace(space).png().toBuffer());
      const { at, channels } = await pixels(png);
      expect(channels).toBe(3);
      expect(new Set(at(5, 5)).size).toBe(1);
      near(at(5, 5), { r: 105, g: 105, b: 105 }, 2);
    }
  });
});

describe("what the picture shows", () => {
  it("is upright: EXIF orientation is applied, to size and pixels", async () => {
    for (const [orientation, width, height] of [
      [1, 80, 40],
      [3, 80, 40],
      [6, 40, 80],
      [8, 40, 80],
    ] as const) {
      const file = await (await twoHalves(80, 40)).jpeg({ quality: 100 }).withMetadata({ orientation }).toBuffer();
      const image = await canonical(file);
      expect(image).toMatchObject({ width, height });
      expect(await headerSize(file)).toMatchObject({ ok: true, width, height });
      const { at } = await pixels(image.png);
      const red = { 1: at(5, 20), 3: at(75, 20), 6: at(20, 5), 8: at(20, 75) }[orientation];
      near(red, RED, 12);
    }
  });

  it("is opaque: alpha is flattened on the declared colour, not on black", async () => {
    const half = await sharp({
      create: { width: 8, height: 8, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0.5 } },
    })
      .png()
      .toBuffer();
    near((await pixels((await canonical(half)).png)).at(3, 3), { r: 127, g: 127, b: 127 }, 1);
    const onBlue = await canonical(half, { flattenColour: "#0000ff" });
    near((await pixels(onBlue.png)).at(3, 3), { r: 0, g: 0, b: 127 }, 1);
  });

  it("is the first frame of an animation", async () => {
    const frames = await Promise.all(
      [RED, { r: 0, g: 0, b: 255 }].map((colour) => plain(20, 20, colour).png().toBuffer()),
    );
    for (const format of ["gif", "webp"] as const) {
      const animation = await sharp(frames, { join: { animated: true } })
        [format]({ loop: 0 })
        .toBuffer();
      expect((await sharp(animation).metadata()).pages).toBe(2);
      const image = await canonical(animation);
      expect(image).toMatchObject({ width: 20, height: 20 });
      near((await pixels(image.png)).at(10, 10), RED, 6);
    }
  });

  it("has the same hash whatever the file said besides pixels", async () => {
    const hashes = await Promise.all(
      [
        plain().png(),
        plain().png({ compressionLevel: 9 }),
        plain().withMetadata({ density: 300 }).png(),
        plain().png({ palette: true }),
      ].map(async (file) => (await canonical(await file.toBuffer())).hash),
    );
    expect(new Set(hashes).size).toBe(1);
  });

  it("is left alone when it is canonical already", async () => {
    const first = await canonical(await (await twoHalves(80, 40)).jpeg().toBuffer());
    const again = await canonical(first.png);
    expect(again.hash).toBe(first.hash);
  });
});

describe("scaling", () => {
  it("gives exactly the size asked for, and asks with the upright size", async () => {
    const file = await (await twoHalves(80, 40)).jpeg().withMetadata({ orientation: 6 }).toBuffer();
    const asked: object[] = [];
    const image = await canonical(file, {
      targetSize: (size) => {
        asked.push(size);
        return { width: 32, height: 96 };
      },
    });
    expect(asked).toEqual([{ width: 40, height: 80 }]);
    expect(image).toMatchObject({ width: 32, height: 96 });
    expect(await reasonOf(file, { targetSize: () => null })).toBe("image-too-elongated");
  });

  it("touches no pixel when the size is right", async () => {
    const file = await (await twoHalves(64, 32)).png().toBuffer();
    expect((await canonical(file, { targetSize: (size) => size })).hash).toBe((await canonical(file)).hash);
  });
});

describe("hostile files get a reason, quickly", () => {
  it("cut short, in every format", async () => {
    const whole = await twoHalves(200, 100);
    const files = await Promise.all(
      [whole.clone().png(), whole.clone().jpeg(), whole.clone().webp(), whole.clone().gif(), whole.clone().tiff()].map(
        (file) => file.toBuffer(),
      ),
    );
    for (const file of files) {
      for (const share of [0.2, 0.5, 0.9]) {
        expect(await reasonOf(file.subarray(0, Math.floor(file.length * share)))).toBe("image-corrupt");
      }
    }
  });

  it("bombs: a header that promises more than the limit", async () => {
    const started = performance.now();
    expect(await reasonOf(rawPng(60_000, 60_000))).toBe("image-too-many-pixels");
    expect(await reasonOf(rawPng(0x7fffffff, 0x7fffffff))).toMatch(/image-(too-many-pixels|corrupt)/);
    expect(await reasonOf(await plain().png().toBuffer(), { limits: { ...DEFAULT_LIMITS, maxPixels: 2399 } })).toBe(
      "image-too-many-pixels",
    );
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it("100,000 x 1", async () => {
    expect(await reasonOf(rawPng(100_000, 1))).toBe("image-too-elongated");
    expect(await reasonOf(rawPng(1, 201))).toBe("image-too-elongated");
  });

  it("too many bytes", async () => {
    expect(await reasonOf(Buffer.alloc(1001), { limits: { ...DEFAULT_LIMITS, maxBytes: 1000 } })).toBe(
      "image-too-many-bytes",
    );
  });

  it("ISO media without a brand of AVIF among its brands", async () => {
    const avif = await plain().avif().toBuffer();
    /** The same box with other brands, as many as it had. */
    const branded = (major: string, ...compatible: string[]): Buffer => {
      const file = Buffer.from(avif);
      file.write(major, 8, "latin1");
      for (let at = 16, k = 0; at < file.readUInt32BE(0); at += 4, k += 1)
        file.write(compatible[k] ?? "mif1", at, "latin1");
      return file;
    };
    expect(await canonical(branded("mif1", "miaf", "avif"))).toEqual(await canonical(avif));
    expect(sniffFormat(branded("msf1", "avis"))).toBe("avif");
    expect(await reasonOf(branded("mif1", "miaf", "heic"))).toBe("image-format-refused");
    expect(await reasonOf(branded("isom", "mp41"))).toBe("image-format-refused");
    // A brand behind the end that the box claims is none, and a claim beyond the file's end is no harm.
    expect(sniffFormat(Buffer.from("\0\0\0\x10ftypmif1\0\0\0\0avif", "latin1"))).toBeUndefined();
    expect(sniffFormat(Buffer.from("\xff\xff\xff\xffftypmif1\0\0\0\0avif", "latin1"))).toBe("avif");
    expect(sniffFormat(Buffer.from("\xff\xff\xff\xffftypmif", "latin1"))).toBeUndefined();
  });

  it("everything that is not on the list, whatever its name", async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>';
    for (const text of [
      svg,
      `<?xml version="1.0"?>${svg}`,
      "<!doctype html>",
      "%PDF-1.7",
      "BM6",
      "\0\0\0\x18ftypheic",
      "x",
    ]) {
      expect(await reasonOf(Buffer.from(text, "latin1"))).toBe("image-format-refused");
    }
    expect(await reasonOf(Buffer.alloc(0))).toBe("image-corrupt");
    expect(await headerSize(Buffer.from(svg))).toMatchObject({ ok: false, reason: "image-format-refused" });
  });

  it("any damage and any bytes after a right beginning: a result, never an exception", async () => {
    const whole = await twoHalves(40, 20);
    const files = await Promise.all(
      [
        whole.clone().png(),
        whole.clone().jpeg(),
        whole.clone().webp(),
        whole.clone().gif(),
        whole.clone().tiff(),
        whole.clone().avif(),
      ].map((file) => file.toBuffer()),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.nat(),
        fc.uint8Array({ minLength: 1, maxLength: 20 }),
        async (file, place, junk) => {
          const bytes = Buffer.from(file);
          const at = place % bytes.length;
          bytes.set(junk.subarray(0, bytes.length - at), at);
          const result = await canonicalise(bytes, options);
          if (result.ok) expect((await pixels(result.png)).channels).toBe(3);
          else expect(result.reason).toMatch(/^image-/);
        },
      ),
      { seed: 11, numRuns: 300 },
    );
  });
});

describe("many pictures at once", () => {
  it("have the results that each has alone, refusals and their words included", async () => {
    const whole = await twoHalves(60, 30);
    const kinds = [whole.clone().png(), whole.clone().jpeg(), whole.clone().webp(), whole.clone().tiff()];
    const files = await Promise.all(kinds.map((file) => file.toBuffer()));
    const damaged = Array.from({ length: 80 }, (_, k) => {
      const bytes = Buffer.from(files[k % files.length]!);
      bytes[Math.floor((bytes.length * ((k * 7) % 80)) / 80)]! ^= 0x55;
      return k % 3 === 0 ? bytes.subarray(0, bytes.length - k) : bytes;
    });
    const alone = [];
    for (const bytes of damaged) alone.push(await canonicalise(bytes, options));
    const together = await Promise.all(damaged.map((bytes) => canonicalise(bytes, options)));
    expect(together).toEqual(alone);
    expect(new Set(alone.map((result) => result.ok)).size).toBe(2);
  });
});

describe("telling formats by content", () => {
  it("knows each accepted one", async () => {
    for (const format of ["png", "jpeg", "webp", "gif", "tiff", "avif"] as const) {
      expect(sniffFormat(await plain()[format]().toBuffer())).toBe(format);
    }
  });
});
