/** Files made to hurt whoever opens them: each small, made here, with what becomes of it. */
import { crc32, deflateSync } from "node:zlib";
import type { ImageReason } from "../../src/images/index.js";
import { plain, rawPng } from "./pictures.js";

export interface Hostile {
  name: string;
  bytes: Buffer;
  /** A reason, or the size where the picture itself is whole and only what surrounds it is odd. */
  becomes: ImageReason | { width: number; height: number };
}

export function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** Chunks right after the header of a PNG file. */
export function afterHeader(png: Buffer, ...chunks: Buffer[]): Buffer {
  return Buffer.concat([png.subarray(0, 33), ...chunks, png.subarray(33)]);
}

/** A TIFF whose one directory promises width x height of uncompressed grey. */
function tiffOf(width: number, height: number): Buffer {
  const entries = [
    [256, 4, width],
    [257, 4, height],
    [258, 3, 8],
    [259, 3, 1],
    [262, 3, 1],
    [273, 4, 8],
    [277, 3, 1],
    [278, 4, height],
    [279, 4, 100],
  ] as const;
  const bytes = Buffer.alloc(8 + 2 + 12 * entries.length + 4 + 200);
  bytes.write("II*\0", 0, "latin1");
  bytes.writeUInt32LE(8, 4);
  bytes.writeUInt16LE(entries.length, 8);
  for (const [k, [tag, type, value]] of entries.entries()) {
    const at = 10 + 12 * k;
    bytes.writeUInt16LE(tag, at);
    bytes.writeUInt16LE(type, at + 2);
    bytes.writeUInt32LE(1, at + 4);
    bytes.writeUInt32LE(value, at + 8);
  }
  return bytes;
}

function jpegOf(jpeg: Buffer, side: number): Buffer {
  const bytes = Buffer.from(jpeg);
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
  bytes.writeUInt16BE(side, frame + 5);
  bytes.writeUInt16BE(side, frame + 7);
  return bytes;
}

/** A WebP file with an extended header of another size before its picture. */
function webpOf(webp: Buffer, side: number): Buffer {
  const extended = Buffer.alloc(18);
  extended.write("VP8X", 0, "latin1");
  extended.writeUInt32LE(10, 4);
  extended.writeUIntLE(side - 1, 12, 3);
  extended.writeUIntLE(side - 1, 15, 3);
  const bytes = Buffer.concat([webp.subarray(0, 12), extended, webp.subarray(12)]);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  return bytes;
}

/** The same frame again and again. */
function gifOf(gif: Buffer, frames: number): Buffer {
  const descriptor = gif.indexOf(0x2c, 13 + 3 * (2 << (gif[10]! & 7)));
  const frame = gif.subarray(descriptor, gif.length - 1);
  return Buffer.concat([gif.subarray(0, descriptor), ...Array<Buffer>(frames).fill(frame), Buffer.from([0x3b])]);
}

/** A progressive JPEG whose last refinement comes again and again: each empty scan is a walk over all of its blocks. */
function jpegOfScans(jpeg: Buffer, scans: number): Buffer {
  const last = jpeg.subarray(jpeg.lastIndexOf(Buffer.from([0xff, 0xda])), jpeg.length - 2);
  const empty = Buffer.concat([last.subarray(0, 2 + last.readUInt16BE(2)), Buffer.alloc(2)]);
  return Buffer.concat([
    jpeg.subarray(0, jpeg.length - 2),
    ...Array<Buffer>(scans).fill(empty),
    jpeg.subarray(jpeg.length - 2),
  ]);
}

export async function hostileFiles(): Promise<Hostile[]> {
  const whole = { width: 60, height: 40 };
  const [png, jpeg, webp, avif, small, progressive] = await Promise.all([
    plain().png().toBuffer(),
    plain().jpeg().toBuffer(),
    plain().webp().toBuffer(),
    plain().avif().toBuffer(),
    plain(16, 16).gif().toBuffer(),
    plain(4000, 4000).jpeg({ progressive: true }).toBuffer(),
  ]);
  const inflated = deflateSync(Buffer.alloc(256 << 20));
  const named = Buffer.concat([Buffer.from("a\0\0"), inflated]);
  const largeAvif = Buffer.from(avif);
  const extents = largeAvif.indexOf("ispe") + 8;
  largeAvif.writeUInt32BE(60_000, extents);
  largeAvif.writeUInt32BE(60_000, extents + 4);
  const svg = "<svg xmlns='http://www.w3.org/2000/svg'/>";
  const list: [string, Buffer, Hostile["becomes"]][] = [
    ["PNG of no width", rawPng(0, 5), "image-corrupt"],
    ["PNG of 1 x 100,000", rawPng(1, 100_000), "image-too-elongated"],
    ["PNG of 100,000 x 1", rawPng(100_000, 1), "image-too-elongated"],
    ["PNG of 60,000 x 60,000", rawPng(60_000, 60_000), "image-too-many-pixels"],
    [
      "PNG with 256 MB behind its pixels",
      Buffer.concat([png.subarray(0, -12), pngChunk("IDAT", inflated), png.subarray(-12)]),
      whole,
    ],
    ["PNG with 256 MB of compressed text", afterHeader(png, pngChunk("zTXt", named)), whole],
    ["PNG with a colour profile of 256 MB", afterHeader(png, pngChunk("iCCP", named)), whole],
    ["PNG with 8 MB of EXIF", afterHeader(png, pngChunk("eXIf", Buffer.alloc(8 << 20, 65))), whole],
    [
      "PNG with 20,000 remarks",
      afterHeader(png, ...Array.from({ length: 20_000 }, (_, k) => pngChunk("tEXt", Buffer.from(`k${k}\0v`)))),
      whole,
    ],
    ["PNG that is a ZIP file, too", Buffer.concat([png, Buffer.from("PK\x05\x06"), Buffer.alloc(18)]), whole],
    ["PNG that is HTML, too", afterHeader(png, pngChunk("tEXt", Buffer.from("Comment\0<script>1</script>"))), whole],
    ["SVG behind the first bytes of a PNG", Buffer.concat([png.subarray(0, 8), Buffer.from(svg)]), "image-corrupt"],
    ["SVG in UTF-16", Buffer.from(`\ufeff${svg}`, "utf16le"), "image-format-refused"],
    ["compressed SVG", Buffer.from([0x1f, 0x8b, 8, 0]), "image-format-refused"],
    ["JPEG of 65,500 x 65,500", jpegOf(jpeg, 65_500), "image-too-many-pixels"],
    ["JPEG with a thousandth of its data", jpegOf(jpeg, 8000), "image-corrupt"],
    ["JPEG of 5,000 scans", jpegOfScans(progressive, 5000), "image-corrupt"],
    ["WebP of 16,383 x 16,383", webpOf(webp, 16_383), "image-corrupt"],
    ["TIFF of 4,000,000,000 x 4,000,000,000", tiffOf(4e9, 4e9), "image-corrupt"],
    ["TIFF with a thousandth of its data", tiffOf(8000, 8000), "image-corrupt"],
    ["AVIF of 60,000 x 60,000", largeAvif, "image-too-many-pixels"],
    [
      "HEIC that calls itself an image",
      Buffer.from("\0\0\0\x1cftypmif1\0\0\0\0mif1heic", "latin1"),
      "image-format-refused",
    ],
    ["GIF of 20,000 frames", gifOf(small, 20_000), { width: 16, height: 16 }],
    ["one byte", Buffer.from([0x89]), "image-format-refused"],
    ["no byte", Buffer.alloc(0), "image-corrupt"],
  ];
  return list.map(([name, bytes, becomes]) => ({ name, bytes, becomes }));
}
