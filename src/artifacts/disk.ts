/** Small helpers that the writers of this room share: complete writes, durable directories, errno to user errors. */
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { fromErrno } from "../base/index.js";

/** A journal's directory, and the one of all resume directories, may both be new. */
const NEW_LEVELS = 3;

/** Runs a file operation; an errno failure becomes the DraftsmithError that names `file`. */
export async function onDisk<T>(file: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw fromErrno(error, file);
  }
}

/** Writes all bytes at the handle's position: one `write` call may take fewer, notably just before the disk is full. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at);
    at += bytesWritten;
  }
}

/** Makes the names in a directory durable: a rename is only safe on disk once its directory is. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems refuse to sync a directory; they order renames themselves.
    if (!["EINVAL", "ENOTSUP", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  } finally {
    await handle.close();
  }
}

export function syncParent(path: string): Promise<void> {
  return syncDirectory(dirname(path));
}

/** As syncParent, for a directory that may be new itself, and its parent too: without their names nothing below is safe. */
export async function syncNewParents(path: string): Promise<void> {
  let directory = dirname(path);
  for (let level = 0; level < NEW_LEVELS; level += 1) {
    await syncDirectory(directory);
    directory = dirname(directory);
  }
}
