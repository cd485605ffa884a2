/** From any picture file to the one form that servers and trainer see alike: 8-bit RGB, upright, opaque, PNG. */
import type SharpModule from "sharp";
import { sha256 } from "../base/index.js";
import { mendJpegHeaders } from "./mend-jpeg.js";
import { keepPixelChunks, pngSize } from "./png.js";
import { type ImageResult, refuse } from "./reasons.js";
import { loadSharp } from "./sharp.js";
import { type ImageFormat, sniffFormat } from "./sniff.js";

export interface ImageSize {
  /** Pixels. */
  width: number;
  height: number;
}

export interface ImageLimits {
  /** Of the encoded file. */
  maxBytes: number;
  /** Of the picture as stored in the file. */
  maxPixels: number;
  /** Longer side divided by the shorter one; Qwen's processors stop at 200. */
  maxAspectRatio: number;
  /** Of decoding, scaling and encoding. A guard against hanging: what is refused for it depends on the machine. */
  maxSeconds: number;
}

export const DEFAULT_LIMITS: ImageLimits = {
  maxBytes: 32 << 20,
  maxPixels: 64 << 20,
  maxAspectRatio: 200,
  maxSeconds: 120,
};

export interface CanonicalOptions {
  limits: ImageLimits;
  /** What shows through transparent pixels, as #rrggbb. vLLM blends on white; SGLang drops alpha and shows what is below. */
  flattenColour: string;
  /**
   * The size to scale an upright picture to; null refuses it as too elongated. Leave it out to keep every size. Give the
   * processor's own rule, so that neither server nor trainer scales again.
   */
  targetSize?: (size: ImageSize) => ImageSize | null;
}

export interface CanonicalImage extends ImageSize {
  /** sha256 of the PNG file. */
  hash: string;
  png: Buffer;
}

/**
 * Level 4 without row filters: on screenshots smaller than with filters, and more than twice as fast. Part of every hash:
 * changing it changes every dataset.
 */
const PNG_OPTIONS = { compressionLevel: 4, adaptiveFiltering: false, palette: false };

/**
 * Decodes once: EXIF rotation applied, transparency flattened, first frame, sRGB, 8 bits, optionally scaled. Equal input
 * and options give equal bytes. Never throws for what is in the file.
 */
export function canonicalise(bytes: Buffer, options: CanonicalOptions): Promise<ImageResult<CanonicalImage>> {
  return withMending(bytes, (file) => decode(file, options));
}

/** A JPEG that counts as damaged gets a second chance with its headers corrected; nobody else pays for it. */
async function withMending<T>(bytes: Buffer, read: (file: Buffer) => Promise<ImageResult<T>>): Promise<ImageResult<T>> {
  const result = await read(bytes);
  if (result.ok || result.reason !== "image-corrupt" || sniffFormat(bytes) !== "jpeg") return result;
  const mended = mendJpegHeaders(bytes);
  return mended === undefined ? result : read(mended);
}

async function decode(bytes: Buffer, options: CanonicalOptions): Promise<ImageResult<CanonicalImage>> {
  const { limits } = options;
  if (bytes.length > limits.maxBytes) return tooManyBytes(bytes.length, limits.maxBytes);
  const format = sniffFormat(bytes);
  if (format === undefined) return refuseFormat(bytes);
  const sharp = await loadSharp();
  const size = await readSize(sharp, bytes);
  if (size === undefined) return damaged(format);
  const shape = checkShape(size, limits);
  if (shape !== undefined) return shape;

  let target = size;
  if (options.targetSize !== undefined) {
    const wanted = options.targetSize(size);
    if (wanted === null)
      return refuse("image-too-elongated", `${size.width}x${size.height} cannot be scaled to a usable size`);
    target = wanted;
  }
  // failOn "warning" is the strictest level: a picture that is cut short would otherwise come out half grey. A flipped bit
  // in the data of a JPEG passes every level: such a picture is taken as its decoder shows it.
  let picture = sharp(bytes, { failOn: "warning", limitInputPixels: limits.maxPixels, autoOrient: true })
    .timeout({ seconds: limits.maxSeconds })
    .flatten({ background: options.flattenColour })
    .toColourspace("srgb");
  if (target.width !== size.width || target.height !== size.height) {
    // "cubic" is nearest to the bicubic filter of the processors; shrinking while loading a JPEG would be another filter.
    picture = picture.resize(target.width, target.height, { fit: "fill", kernel: "cubic", fastShrinkOnLoad: false });
  }
  let encoded: Buffer;
  try {
    encoded = await picture.png(PNG_OPTIONS).toBuffer();
  } catch (error) {
    if (/timeout/i.test((error as Error).message)) {
      return refuse("image-too-slow", `not done after ${limits.maxSeconds} s`);
    }
    return damaged(format);
  }
  const png = keepPixelChunks(encoded);
  return { ok: true, ...pngSize(png), hash: sha256(png), png };
}

/** Width and height of the upright picture, from the file's header alone: no pixel is decoded. */
export function headerSize(bytes: Buffer, limits: ImageLimits = DEFAULT_LIMITS): Promise<ImageResult<ImageSize>> {
  return withMending(bytes, (file) => headerOf(file, limits));
}

async function headerOf(bytes: Buffer, limits: ImageLimits): Promise<ImageResult<ImageSize>> {
  const format = sniffFormat(bytes);
  if (format === undefined) return refuseFormat(bytes);
  const size = await readSize(await loadSharp(), bytes);
  if (size === undefined) return damaged(format);
  return checkShape(size, limits) ?? { ok: true, ...size };
}

/** undefined when the header cannot be read. Its limit is off: whatever the header says is judged by `checkShape`. */
async function readSize(sharp: typeof SharpModule, bytes: Buffer): Promise<ImageSize | undefined> {
  try {
    const { autoOrient } = await sharp(bytes, { limitInputPixels: false }).metadata();
    return { width: autoOrient.width, height: autoOrient.height };
  } catch {
    return undefined;
  }
}

export function tooManyBytes(bytes: number, limit: number) {
  return refuse("image-too-many-bytes", `${bytes} bytes; at most ${limit} are taken`);
}

function checkShape({ width, height }: ImageSize, limits: ImageLimits) {
  if (width * height > limits.maxPixels) {
    return refuse("image-too-many-pixels", `${width}x${height}: more than ${limits.maxPixels} pixels`);
  }
  const ratio = Math.max(width, height) / Math.min(width, height);
  if (ratio > limits.maxAspectRatio) {
    return refuse(
      "image-too-elongated",
      `${width}x${height}: one side is more than ${limits.maxAspectRatio} times the other`,
    );
  }
  return undefined;
}

function refuseFormat(bytes: Buffer) {
  if (bytes.length === 0) return refuse("image-corrupt", "the file is empty");
  const start = JSON.stringify(bytes.toString("latin1", 0, 12));
  return refuse("image-format-refused", `not a PNG, JPEG, WebP, GIF, TIFF or AVIF file: it begins with ${start}`);
}

/** Without the decoder's own words: its threads share one message buffer, so that they differ from run to run. */
function damaged(format: ImageFormat) {
  return refuse("image-corrupt", `a ${format.toUpperCase()} file that is cut short or damaged`);
}
