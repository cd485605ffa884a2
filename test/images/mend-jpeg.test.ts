/** JPEG files that other programs write: odd headers are taken, lost data is not. */
import fc from "fast-check";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { canonicalise, DEFAULT_LIMITS, headerSize } from "../../src/images/index.js";
import { mendJpegHeaders } from "../../src/images/mend-jpeg.js";

const [WIDTH, HEIGHT] = [200, 120];
const options = { limits: DEFAULT_LIMITS, flattenColour: "#ffffff" };

interface Segment {
  code: number;
  /** Of its marker. */
  at: number;
  end: number;
}

/** The segments of a well-formed file up to its first scan's header. */
function segments(file: Buffer): Segment[] {
  const found: Segment[] = [];
  for (let at = 2; ; ) {
    const code = file[at + 1]!;
    const end = at + 2 + file.readUInt16BE(at + 2);
    found.push({ code, at, end });
    if (code === 0xda) return found;
    at = end;
  }
}

function withSegment(file: Buffer, code: number, body: Buffer): Buffer {
  const head = Buffer.from([0xff, code, 0, body.length + 2]);
  return Buffer.concat([file.subarray(0, 2), head, body, file.subarray(2)]);
}

function changed(file: Buffer, changes: Record<number, number>): Buffer {
  const copy = Buffer.from(file);
  for (const [at, value] of Object.entries(changes)) copy[Number(at)] = value;
  return copy;
}

const pixels = Buffer.alloc(WIDTH * HEIGHT * 3);
for (let at = 0; at < pixels.length; at += 1) pixels[at] = (at * 7 + (at >> 5) * 13) & 255;
const picture = () => sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });

let plain: Buffer;
let cmyk: Buffer;
let progressive: Buffer;
beforeAll(async () => {
  plain = await picture().jpeg({ quality: 80 }).toBuffer();
  cmyk = await picture().toColourspace("cmyk").jpeg().toBuffer();
  progressive = await picture().jpeg({ progressive: true }).toBuffer();
});

const adobe = (transform: number) => Buffer.from([...Buffer.from("Adobe"), 0, 100, 0, 0, 0, 0, transform]);
const jfif = (major: number) => Buffer.from([...Buffer.from("JFIF\0"), major, 2, 0, 0, 1, 0, 1, 0, 0]);

async function hashOf(file: Buffer): Promise<string> {
  const image = await canonicalise(file, options);
  return image.ok ? image.hash : image.reason;
}

describe("a JPEG with an odd header", () => {
  const odd: [string, () => Buffer][] = [
    ["scan parameters of zero", () => changed(plain, { [segments(plain).at(-1)!.end - 2]: 0 })],
    [
      "scan parameters of a progressive file",
      () => changed(plain, { [segments(plain).at(-1)!.end - 3]: 1, [segments(plain).at(-1)!.end - 1]: 0x21 }),
    ],
    ["an unknown version of JFIF", () => withSegment(plain, 0xe0, jfif(3))],
    ["an unknown colour transform", () => withSegment(plain, 0xee, adobe(7))],
    [
      "bytes between its segments",
      () => {
        const { end } = segments(plain)[0]!;
        return Buffer.concat([plain.subarray(0, end), Buffer.from([1, 2, 3, 0]), plain.subarray(end)]);
      },
    ],
    [
      "all of these",
      () => {
        const { end } = segments(plain).at(-1)!;
        const scan = changed(plain, { [end - 2]: 0 });
        return withSegment(withSegment(scan, 0xee, adobe(9)), 0xe0, jfif(9));
      },
    ],
  ];

  it.each(odd)("%s: taken, with the pixels that a lenient decoder sees", async (_, make) => {
    const file = make();
    await expect(sharp(file, { failOn: "warning" }).raw().toBuffer()).rejects.toThrow();
    const lenient = await sharp(file, { failOn: "error" }).png().toBuffer();
    expect(await hashOf(file)).toBe(await hashOf(lenient));
    expect(await headerSize(file)).toMatchObject({ ok: true, width: WIDTH, height: HEIGHT });
  });

  it("of four colours, too", async () => {
    const marker = segments(cmyk).find(({ code }) => code === 0xee)!;
    const file = changed(cmyk, { [marker.at + 15]: 6 });
    const lenient = await sharp(file, { failOn: "error" }).flatten().toColourspace("srgb").png().toBuffer();
    expect(await hashOf(file)).toBe(await hashOf(lenient));
  });
});

describe("a JPEG that lost data", () => {
  const end = Buffer.from([0xff, 0xd9]);
  const lost: [string, (file: Buffer) => Buffer][] = [
    ["its end", (file) => file.subarray(0, file.length >> 1)],
    ["its last bytes", (file) => file.subarray(0, file.length - 10)],
    ["its end, closed again", (file) => Buffer.concat([file.subarray(0, file.length >> 1), end])],
    [
      "a part in the middle",
      (file) => Buffer.concat([file.subarray(0, file.length >> 1), file.subarray((file.length >> 1) + 300)]),
    ],
    ["everything after its header", (file) => Buffer.concat([file.subarray(0, segments(file).at(-1)!.end), end])],
  ];
  it.each(lost)("%s: refused, with an odd header as well", async (_, cut) => {
    expect(await hashOf(cut(plain))).toBe("image-corrupt");
    expect(await hashOf(cut(progressive))).toBe("image-corrupt");
    const oddScan = changed(plain, { [segments(plain).at(-1)!.end - 2]: 0 });
    expect(await hashOf(oddScan)).not.toBe("image-corrupt");
    expect(await hashOf(cut(oddScan))).toBe("image-corrupt");
    expect(await hashOf(withSegment(cut(plain), 0xe0, jfif(3)))).toBe("image-corrupt");
  });
});

describe("mending", () => {
  it("leaves good files alone, and progressive scans, which use their parameters", () => {
    for (const file of [plain, cmyk, progressive]) expect(mendJpegHeaders(file)).toBeUndefined();
  });

  it("changes nothing but headers, of the file that it is given nothing at all, and never throws", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }),
        fc.nat(),
        fc.boolean(),
        (changes, length, whole) => {
          const flipped = changed(plain, Object.fromEntries(changes.map(([at, value]) => [at % plain.length, value])));
          const file = whole ? flipped : flipped.subarray(0, length % plain.length);
          const before = Buffer.from(file);
          const mended = mendJpegHeaders(file);
          expect(file.equals(before)).toBe(true);
          if (mended !== undefined) expect(mended.length).toBeLessThanOrEqual(file.length);
        },
      ),
      { seed: 81, numRuns: 3000 },
    );
  });
});
