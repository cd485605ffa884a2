/** Making directories where a user wants them. */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a directory that a user named, and those above it.
 *
 * Node's own recursive `mkdir` never returns where a file system answers "no such file" for a name whose parent exists,
 * as /proc does.
 */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory() === true) return;
    if (!isErrno(error, "ENOENT") || (await stat(dirname(path)).catch(() => undefined)) !== undefined) throw error;
    await makeDirectory(dirname(path));
    await mkdir(path).catch((again: unknown) => {
      // Another process may have been quicker.
      if (!isErrno(again, "EEXIST")) throw again;
    });
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
