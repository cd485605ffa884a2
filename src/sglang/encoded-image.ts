import type { EncodedImage } from "./body.js";

/**
 * Bytes of a picture that become text at once. Buffers can write base64 only by way of a string; a short one dies in the
 * young generation, one of a whole picture is moved to the old and costs more to collect than to make (measured: 0.09 ms
 * against 0.6 ms for 150 KB). A multiple of 3, so that the parts fit together.
 */
const SLICE_BYTES = 24 << 10;

/** Length of the base64 text of so many bytes. */
export function base64Bytes(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** A PNG file's bytes as requests carry them. */
export function encodedImage(png: Uint8Array): EncodedImage {
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  const base64 = Buffer.allocUnsafe(base64Bytes(bytes.length));
  let at = 0;
  for (let from = 0; from < bytes.length; from += SLICE_BYTES) {
    at += base64.write(bytes.toString("base64", from, from + SLICE_BYTES), at, "latin1");
  }
  return { base64 };
}
