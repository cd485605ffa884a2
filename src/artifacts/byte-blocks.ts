/** A file's bytes in blocks, plain or out of gzip. */
import { open } from "node:fs/promises";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { DraftsmithError } from "../base/index.js";
import { onDisk } from "./disk.js";

export const DEFAULT_BLOCK_BYTES = 1 << 20;

/** Each block is a buffer of its own: what was handed out may still be looked at. @throws DISK_FAILED, INPUT_MISSING */
export async function* readBlocks(path: string, blockBytes = DEFAULT_BLOCK_BYTES): AsyncGenerator<Buffer> {
  const handle = await onDisk(path, () => open(path, "r"));
  try {
    while (true) {
      const block = Buffer.allocUnsafe(blockBytes);
      const { bytesRead } = await onDisk(path, () => handle.read(block, 0, blockBytes, null));
      if (bytesRead === 0) return;
      yield block.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/**
 * The same out of a gzip file, one block in memory at a time.
 * @throws DraftsmithError INPUT_INVALID where the file is damaged or ends early
 */
export async function* readGzipBlocks(path: string, blockBytes = DEFAULT_BLOCK_BYTES): AsyncGenerator<Buffer> {
  const handle = await onDisk(path, () => open(path, "r"));
  const blocks = createGunzip({ chunkSize: Math.max(blockBytes, 64) });
  pipeline(handle.createReadStream({ highWaterMark: DEFAULT_BLOCK_BYTES }), blocks, () => undefined);
  try {
    for await (const block of blocks) yield block as Buffer;
  } catch (error) {
    if (!String((error as NodeJS.ErrnoException).code).startsWith("Z_")) throw error;
    throw new DraftsmithError("INPUT_INVALID", "the gzip file is damaged or cut short", {
      location: { file: path },
      cause: error,
      hint: "check it with gzip -t, and fetch it again",
    });
  } finally {
    blocks.destroy();
    await handle.close();
  }
}
