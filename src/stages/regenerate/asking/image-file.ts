/** A stored picture as requests carry it: whole where it is small, read while it is sent where it is large. */
import { type FileHandle, open } from "node:fs/promises";
import { readFully } from "../../../artifacts/index.js";
import { DraftsmithError, fromErrno } from "../../../base/index.js";
import { base64Bytes, encodedImage, type RequestImage } from "../../../sglang/index.js";

/**
 * Base64 of a picture that is held for as long as its request is under way, at most: with hundreds of requests, 2 MB of
 * each (a screenshot in 4K) would be half a gigabyte.
 */
const MOST_HELD_BYTES = 256 << 10;
/** A multiple of 3, so that the texts of the parts fit together. */
const PART_BYTES = 144 << 10;

/** @throws DraftsmithError ARTIFACT_INVALID - it is missing; when a large one is read, too. */
export async function openPicture(path: string): Promise<RequestImage> {
  try {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      if (base64Bytes(size) <= MOST_HELD_BYTES) return encodedImage(await readPart(handle, Buffer.allocUnsafe(size)));
      return { bytes: base64Bytes(size), read: () => streamed(path) };
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unreadable(error, path);
  }
}

async function* streamed(path: string): AsyncGenerator<Buffer> {
  try {
    const handle = await open(path, "r");
    const buffer = Buffer.allocUnsafe(PART_BYTES);
    try {
      for (;;) {
        const part = await readPart(handle, buffer);
        if (part.length > 0) yield encodedImage(part).base64;
        if (part.length < PART_BYTES) return;
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unreadable(error, path);
  }
}

/** @returns the buffer, or its beginning where the file ends before it is full */
async function readPart(handle: FileHandle, buffer: Buffer): Promise<Buffer> {
  return buffer.subarray(0, await readFully(handle, buffer, null));
}

function unreadable(error: unknown, path: string): DraftsmithError {
  const cause = fromErrno(error, path);
  if (cause instanceof DraftsmithError && cause.code !== "INPUT_MISSING") return cause;
  return new DraftsmithError("ARTIFACT_INVALID", `the dialogues name a picture that is missing: ${path}`, {
    cause,
    hint: "run the import again",
  });
}
