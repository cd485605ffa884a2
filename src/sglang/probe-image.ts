/** A small picture of our own for probing servers: no file to ship, and its ids are the same everywhere. */
import { crc32, deflateSync } from "node:zlib";
import type { EncodedImage } from "./body.js";
import { encodedImage } from "./encoded-image.js";

/** Pixels; a multiple of every patch grid in use, and above the least size, so that nothing is resized. */
export const PROBE_SIDE = 64;
const SIDE = PROBE_SIDE;

/** 64x64 RGB, a diagonal gradient. */
export function probeImage(): EncodedImage {
  const rows = Buffer.alloc(SIDE * (1 + SIDE * 3));
  for (let y = 0; y < SIDE; y += 1) {
    for (let x = 0; x < SIDE; x += 1) {
      const at = y * (1 + SIDE * 3) + 1 + x * 3;
      rows[at] = x * 4;
      rows[at + 1] = y * 4;
      rows[at + 2] = (x + y) * 2;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIDE, 0);
  header.writeUInt32BE(SIDE, 4);
  // 8 bits a channel, colour type 2 (RGB), no interlacing.
  header.set([8, 2, 0, 0, 0], 8);
  const png = Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
  return encodedImage(png);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}
