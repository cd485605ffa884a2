/**
 * A difference hash: whether brightness rises from each cell of a coarse grid to the next. Pictures that look alike have
 * hashes that differ in few bits. The idea is Neal Krawetz's dHash; 256 bits here instead of 64, since screens of one
 * program share their coarse layout.
 */
import { loadSharp } from "./sharp.js";

const SIDE = 16;
/** 32-bit words of a hash. */
export const HASH_WORDS = (SIDE * SIDE) / 32;
export const HASH_BITS = SIDE * SIDE;

/** @param png - a canonical picture. @returns HASH_WORDS words; the same for the same pixels and version of sharp */
export async function differenceHash(png: Buffer): Promise<Uint32Array> {
  const sharp = await loadSharp();
  const cells = await sharp(png)
    .greyscale()
    .resize(SIDE + 1, SIDE, { fit: "fill", kernel: "cubic" })
    .raw()
    .toBuffer();
  const words = new Uint32Array(HASH_WORDS);
  for (let y = 0; y < SIDE; y += 1) {
    for (let x = 0; x < SIDE; x += 1) {
      const at = y * (SIDE + 1) + x;
      const bit = y * SIDE + x;
      if (cells[at]! < cells[at + 1]!) words[bit >>> 5]! |= 1 << (bit & 31);
    }
  }
  return words;
}

/** Bits that differ. */
export function hashDistance(one: Uint32Array, other: Uint32Array): number {
  let bits = 0;
  for (let word = 0; word < HASH_WORDS; word += 1) bits += bitCount((one[word]! ^ other[word]!) >>> 0);
  return bits;
}

export function bitCount(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return (((bits + (bits >>> 4)) & 0x0f0f_0f0f) * 0x0101_0101) >>> 24;
}
