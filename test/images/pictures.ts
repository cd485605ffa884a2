/** Small pictures of every awkward kind, made in the test: nothing binary is kept in the tree. */
import { crc32, deflateSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";

export const RED = { r: 200, g: 30, b: 90 };

export function plain(width = 60, height = 40, background: object = RED): Sharp {
  return sharp({ create: { width, height, channels: 3, background: background as typeof RED } });
}

/** Left half red, right half blue, so that a rotation shows. */
export async function twoHalves(width: number, height: number): Promise<Sharp> {
  const right = await plain(width / 2, height, { r: 0, g: 0, b: 255 })
    .png()
    .toBuffer();
  return sharp(
    await plain(width, height)
      .composite([{ input: right, left: width / 2, top: 0 }])
      .png()
      .toBuffer(),
  );
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** A PNG file whose header says width x height, whatever its data holds. */
export function rawPng(width: number, height: number, data: Buffer = deflateSync(Buffer.alloc(100))): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

export async function pixels(
  png: Buffer,
): Promise<{ width: number; height: number; channels: number; at: (x: number, y: number) => number[] }> {
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => [
    ...data.subarray((y * info.width + x) * info.channels).subarray(0, info.channels),
  ];
  return { width: info.width, height: info.height, channels: info.channels, at };
}

export function chunkTypes(png: Buffer): string[] {
  const types: string[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) types.push(png.toString("latin1", at + 4, at + 8));
  return types;
}
