/** A stored picture as requests carry it: whole where it is small, read while it is sent where it is large. */
import { type FileHandle, open } from "node:fs/promises";
import { base64Bytes, type EncodedImage, encodedImage, type StreamedImage } from "../../sglang/index.js";

/**
 * Base64 of a picture that is held for as long as its request is under way, at most: with hundreds of requests, 2 MB of
 * each (a screenshot in 4K) would be half a gigabyte.
 */
const MOST_HELD_BYTES = 256 << 10;
/** A multiple of 3, so that the texts of the parts fit together. */
const PART_BYTES = 144 << 10;

/** @throws NodeJS.ErrnoException */
export async function openPicture(path: string): Promise<EncodedImage | StreamedImage> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    if (base64Bytes(size) <= MOST_HELD_BYTES) return encodedImage(await readPart(handle, size));
    return { bytes: base64Bytes(size), read: () => streamed(path) };
  } finally {
    await handle.close();
  }
}

async function* streamed(path: string): AsyncGenerator<Buffer> {
  const handle = await open(path, "r");
  try {
    for (;;) {
      const part = await readPart(handle, PART_BYTES);
      if (part.length > 0) yield encodedImage(part).base64;
      if (part.length < PART_BYTES) return;
    }
  } finally {
    await handle.close();
  }
}

/** @returns fewer bytes only at the end of the file */
async function readPart(handle: FileHandle, most: number): Promise<Buffer> {
  const part = Buffer.allocUnsafe(most);
  let filled = 0;
  while (filled < most) {
    const { bytesRead } = await handle.read(part, filled, most - filled, null);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return part.subarray(0, filled);
}
