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
    if (base64Bytes(size) <= MOST_HELD_BYTES) return encodedImage(await readInto(handle, Buffer.allocUnsafe(size)));
    return { bytes: base64Bytes(size), read: () => streamed(path) };
  } finally {
    await handle.close();
  }
}

async function* streamed(path: string): AsyncGenerator<Buffer> {
  const handle = await open(path, "r");
  const buffer = Buffer.allocUnsafe(PART_BYTES);
  try {
    for (;;) {
      const part = await readInto(handle, buffer);
      if (part.length > 0) yield encodedImage(part).base64;
      if (part.length < PART_BYTES) return;
    }
  } finally {
    await handle.close();
  }
}

/** @returns the buffer, or its beginning where the file ends before it is full */
async function readInto(handle: FileHandle, buffer: Buffer): Promise<Buffer> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, null);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
