/** Small helpers that this room shares: complete reads and writes, durable directories, errno to user errors. */
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { defined, type FileUse, fromErrno } from "../base/index.js";

/** A journal's directory, and the one of all resume directories, may both be new. */
const NEW_LEVELS = 3;

/** Runs a file operation; an errno failure becomes the DraftsmithError that names `file`. */
export async function onDisk<T>(file: string, operation: () => Promise<T>, use?: FileUse): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw fromErrno(error, file, defined({ use }));
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

/**
 * Fills the buffer: one `read` call may give less.
 *
 * @param position - null: the handle's own, which moves on
 * @returns the bytes read; fewer than the buffer has only where the file ends
 */
export async function readFully(handle: FileHandle, buffer: Uint8Array, position: number | null): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const from = position === null ? null : position + filled;
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, from);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
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

/** As syncParent, for a directory that may itself be new, like its parent: their names must be durable as well. */
export async function syncNewParents(path: string): Promise<void> {
  let directory = dirname(path);
  for (let level = 0; level < NEW_LEVELS; level += 1) {
    await syncDirectory(directory);
    directory = dirname(directory);
  }
}
