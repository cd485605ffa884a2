/** PNG files at the level of their chunks. */

const SIGNATURE_BYTES = 8;
/** Length, type and checksum around a chunk's data. */
const CHUNK_OVERHEAD = 12;
const KEPT = new Set(["IHDR", "IDAT", "IEND"]);

/**
 * The same picture with only the chunks that make it one. Encoders add density and colour remarks, which servers ignore
 * but which would give equal pixels different hashes.
 */
export function keepPixelChunks(png: Buffer): Buffer {
  const pieces = [png.subarray(0, SIGNATURE_BYTES)];
  let at = SIGNATURE_BYTES;
  while (at + CHUNK_OVERHEAD <= png.length) {
    const end = at + CHUNK_OVERHEAD + png.readUInt32BE(at);
    if (KEPT.has(png.toString("latin1", at + 4, at + 8))) pieces.push(png.subarray(at, end));
    at = end;
  }
  return Buffer.concat(pieces);
}

/** Width and height of a PNG file from its first 24 bytes. */
export function pngSize(png: Uint8Array): { width: number; height: number } {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  return { width: view.getUint32(16), height: view.getUint32(20) };
}
