/** Canonical images against Pillow and transformers' processors, which servers and trainer read them with. Skipped without Python. */
import sharp from "sharp";
import { beforeAll, expect, it } from "vitest";
import { sha256 } from "../../src/base/index.js";
import { type CanonicalOptions, canonicalise, DEFAULT_LIMITS, headerSize } from "../../src/images/index.js";
import { type ModelDirectory, openModel } from "../../src/model/index.js";
import { targetSizeOf } from "../../src/stages/import/target-size.js";
import { imageGrid, resizeRule } from "../../src/tokens/index.js";
import { TINY_GUI } from "../tokens/reference.js";
import { describeWithReference } from "../tokens/with-reference.js";
import { afterHeader, pngChunk } from "./hostile.js";

const options: CanonicalOptions = { limits: DEFAULT_LIMITS, flattenColour: "#ffffff" };

interface Seen {
  width: number;
  height: number;
  mode: string;
  info: string[];
  /** sha256 of the RGB bytes. */
  pixels: string;
}

/** Noise, so that every pixel counts and no rotation looks like another. */
function noise(width: number, height: number, channels: 1 | 2 | 3 | 4 = 3, seed = 1) {
  let state = seed;
  const data = Buffer.alloc(width * height * channels);
  for (let at = 0; at < data.length; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    data[at] = state >>> 24;
  }
  return sharp(data, { raw: { width, height, channels } });
}

/** Two frames of one size. */
function animatedPng(first: Buffer, second: Buffer): Buffer {
  const control = Buffer.alloc(8);
  control.writeUInt32BE(2, 0);
  const frame = (number: number) => {
    const data = Buffer.alloc(26);
    data.writeUInt32BE(number, 0);
    data.writeUInt32BE(first.readUInt32BE(16), 4);
    data.writeUInt32BE(first.readUInt32BE(20), 8);
    data.writeUInt16BE(100, 20);
    data.writeUInt16BE(1000, 22);
    return pngChunk("fcTL", data);
  };
  const pixelsOf = (png: Buffer) => {
    const at = png.indexOf("IDAT");
    return png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4));
  };
  const number = Buffer.from([0, 0, 0, 2]);
  const later = pngChunk("fdAT", Buffer.concat([number, pixelsOf(second)]));
  const all = afterHeader(first, pngChunk("acTL", control), frame(0));
  return Buffer.concat([all.subarray(0, -12), frame(1), later, all.subarray(-12)]);
}

async function canonical(bytes: Buffer, more: Partial<CanonicalOptions> = {}) {
  const result = await canonicalise(bytes, { ...options, ...more });
  if (!result.ok) throw new Error(`${result.reason}: ${result.message}`);
  return result;
}

async function rgb(png: Buffer): Promise<Buffer> {
  return sharp(png).raw().toBuffer();
}

describeWithReference("pictures as Pillow sees them", (reference) => {
  let model: ModelDirectory;
  beforeAll(async () => {
    model = await openModel(TINY_GUI);
  });

  async function seen(files: Buffer[], upright = false): Promise<Seen[]> {
    const question = { kind: "decoded", files: files.map((file) => file.toString("base64")), upright };
    const answer = await reference.ask<{ pictures: Seen[] }>(question);
    if ("error" in answer) throw new Error(answer.error);
    return answer.pictures;
  }

  it("a canonical file is plain RGB for Pillow, with our pixels and nothing beside them", async () => {
    const sources = await Promise.all([
      noise(61, 35).jpeg().withMetadata({ orientation: 6, density: 300 }).toBuffer(),
      noise(61, 35).withIccProfile("p3").png().toBuffer(),
      noise(61, 35, 4).png().toBuffer(),
      noise(61, 35, 1).png().toBuffer(),
      noise(61, 35).toColourspace("rgb16").png().toBuffer(),
      noise(61, 35).toColourspace("cmyk").withIccProfile("cmyk").jpeg().toBuffer(),
      noise(61, 35).gif().toBuffer(),
    ]);
    const images = await Promise.all(sources.map((bytes) => canonical(bytes)));
    for (const [at, picture] of (await seen(images.map(({ png }) => png))).entries()) {
      const { png, width, height } = images[at]!;
      // With an orientation or a profile left in, a server would turn or recolour what is upright sRGB already.
      expect(picture).toEqual({ width, height, mode: "RGB", info: [], pixels: sha256(await rgb(png)) });
    }
  });

  it("all eight EXIF orientations, in every format that carries one, as Pillow turns them", async () => {
    for (const format of ["png", "tiff", "webp"] as const) {
      const settings = format === "webp" ? { lossless: true } : {};
      const files = await Promise.all(
        [1, 2, 3, 4, 5, 6, 7, 8].map((orientation) =>
          noise(23, 11)[format](settings).withMetadata({ orientation }).toBuffer(),
        ),
      );
      const theirs = await seen(files, true);
      for (const [at, file] of files.entries()) {
        const { png, width, height } = await canonical(file);
        const ours = { width, height, pixels: sha256(await rgb(png)) };
        expect([format, at + 1, ours]).toEqual([format, at + 1, pickSeen(theirs[at]!)]);
        expect(await headerSize(file)).toMatchObject({ ok: true, width, height });
      }
      expect(new Set(theirs.map(({ pixels }) => pixels)).size).toBe(8);
    }
  });

  it("grey, palette, one bit, 16 bits and lossless formats: every pixel as Pillow has it", async () => {
    const files = await Promise.all([
      noise(40, 30, 1).toColourspace("b-w").png().toBuffer(),
      noise(40, 30).png({ palette: true, colours: 16, dither: 0 }).toBuffer(),
      noise(40, 30, 1).toColourspace("b-w").threshold(128).tiff({ bitdepth: 1 }).toBuffer(),
      noise(40, 30).webp({ lossless: true }).toBuffer(),
      noise(40, 30).tiff({ compression: "lzw" }).toBuffer(),
      noise(40, 30).gif().toBuffer(),
      noise(40, 30).png({ progressive: true }).toBuffer(),
    ]);
    const theirs = await seen(files, true);
    for (const [at, file] of files.entries()) {
      const { png, width, height } = await canonical(file);
      expect([at, { width, height, pixels: sha256(await rgb(png)) }]).toEqual([at, pickSeen(theirs[at]!)]);
    }
  });

  it("the first frame of an animated PNG, as Pillow shows it", async () => {
    const [first, second] = await Promise.all([noise(20, 10).png().toBuffer(), noise(20, 10, 3, 2).png().toBuffer()]);
    const theirs = await seen([first, animatedPng(first, second)]);
    expect(theirs[1]).toMatchObject({ pixels: theirs[0]!.pixels });
    expect(theirs[1]!.info).toContain("loop");
    expect((await canonical(animatedPng(first, second))).hash).toBe((await canonical(first)).hash);
  });

  it("a picture at the rule's fixed point goes through both processors without resampling, bit by bit", async () => {
    const rule = resizeRule(model.processor);
    const sizes = [
      [1920, 1080],
      [1080, 1920],
      [333, 777],
      [5, 5],
      [640, 8],
      [9, 1700],
    ] as const;
    const images = await Promise.all(
      sizes.map(async ([width, height], seed) =>
        canonical(await noise(width, height, 3, seed).png({ compressionLevel: 1 }).toBuffer(), {
          targetSize: targetSizeOf(rule),
        }),
      ),
    );
    const files = images.map(({ png }) => png.toString("base64"));
    const answer = await reference.ask<{ pictures: unknown[] }>({ kind: "processed", files });
    const expected = images.map((size) => {
      const grid = imageGrid(size, model.processor);
      return { torchvision: { grid, plain: true, unscaled: true }, pil: { grid, plain: true, unscaled: true } };
    });
    expect(answer).toEqual({ pictures: expected });
  });

  it("off the fixed point both resample, so that the comparison can fail", async () => {
    const { png } = await canonical(await noise(1280, 1280).png().toBuffer());
    const answer = await reference.ask<{ pictures: unknown[] }>({
      kind: "processed",
      files: [png.toString("base64")],
    });
    const grid = imageGrid({ width: 1280, height: 1280 }, model.processor);
    const scaled = { grid, plain: false, unscaled: false };
    expect(answer).toEqual({ pictures: [{ torchvision: scaled, pil: scaled }] });
  });

  it("the header's orientation decides the grid, and with it where each token stands", async () => {
    const turned = await noise(320, 96).jpeg().withMetadata({ orientation: 6 }).toBuffer();
    const size = await headerSize(turned);
    expect(size).toMatchObject({ ok: true, width: 96, height: 320 });
    if (!size.ok) return;
    const { png } = await canonical(turned, { targetSize: targetSizeOf(resizeRule(model.processor)) });
    const answer = await reference.ask<{ pictures: { pil: { grid: number[] } }[] }>({
      kind: "processed",
      files: [png.toString("base64")],
    });
    if ("error" in answer) throw new Error(answer.error);
    expect(answer.pictures[0]!.pil.grid).toEqual(imageGrid(size, model.processor));
    // Who reads width and height as they are stored has rows and columns exchanged.
    expect(answer.pictures[0]!.pil.grid).not.toEqual(imageGrid({ width: 320, height: 96 }, model.processor));
  });
});

function pickSeen({ width, height, pixels }: Seen) {
  return { width, height, pixels };
}
