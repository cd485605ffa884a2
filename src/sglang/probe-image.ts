/** Images of our own for probing servers: no files to ship, and the same bytes everywhere. */
import { crc32, deflateSync } from "node:zlib";
import type { EncodedImage } from "./body.js";
import { encodedImage } from "./encoded-image.js";

export interface ImageSize {
  width: number;
  height: number;
}

/** A multiple of the patch grids in use, and above their least size, so that few processors resize it. */
export const SMALL_PROBE_IMAGE: ImageSize = { width: 64, height: 64 };
/**
 * About the pixels of a 1080p screenshot, in multiples of 224 (which patch grids of 28 and of 32 pixels divide): a server
 * whose max_pixels is lower than that resizes it, and its prompt has fewer pads.
 */
export const LARGE_PROBE_IMAGE: ImageSize = { width: 1792, height: 1120 };

const COLUMNS = 64;

const encoded = new Map<ImageSize, EncodedImage>();

/** An RGB gradient in 64 columns, as PNG of a few kilobytes; made once per process. */
export function probeImage(size: ImageSize): EncodedImage {
  let image = encoded.get(size);
  if (image === undefined) {
    image = encodedImage(gradient(size));
    encoded.set(size, image);
  }
  return image;
}

function gradient({ width, height }: ImageSize): Buffer {
  const stride = 1 + width * 3;
  const cell = width / COLUMNS;
  const rows = Buffer.alloc(height * stride);
  for (let row = 0; row < height; row += 1) {
    const y = Math.floor(row / cell);
    if (row % cell !== 0) {
      rows.copyWithin(row * stride, (row - 1) * stride, row * stride);
      continue;
    }
    for (let column = 0; column < width; column += 1) {
      const x = Math.floor(column / cell);
      const at = row * stride + 1 + column * 3;
      rows[at] = x * 4;
      rows[at + 1] = y * 4;
      rows[at + 2] = (x + y) * 2;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // 8 bits a channel, colour type 2 (RGB), no interlacing.
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}
