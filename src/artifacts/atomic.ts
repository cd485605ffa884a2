/** Files that are either complete or absent, whatever happens to the process or the machine. */
import { copyFile, link, open, rename, rm, stat } from "node:fs/promises";
import { fromErrno } from "../base/index.js";
import { onDisk, syncParent, writeFully } from "./disk.js";

/** Path of a file while it is being written. The leftover of a killed run is overwritten by the next run. */
export function partialPath(path: string): string {
  return `${path}.partial`;
}

/**
 * Renames a finished partial file to its final name. Its bytes must already be synced.
 *
 * @throws DraftsmithError OUTPUT_INVALID, DISK_FULL, DISK_FAILED
 */
export async function commitPartial(path: string): Promise<void> {
  await onDisk(path, async () => {
    await rename(partialPath(path), path);
    await syncParent(path);
  });
}

/**
 * Writes a small file at once: readers see the old content or the new, never a part.
 * @throws DraftsmithError OUTPUT_INVALID, DISK_FULL, DISK_FAILED
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  const partial = partialPath(path);
  try {
    await onDisk(
      path,
      async () => {
        const handle = await open(partial, "w");
        try {
          await writeFully(handle, bytes);
          await handle.sync();
        } finally {
          await handle.close();
        }
      },
      "write",
    );
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  await commitPartial(path);
}

/** A second name for a finished file, or a copy where the file system has no hard links or they would cross devices. */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (code === "EEXIST") return;
    if (!["EXDEV", "EPERM", "ENOTSUP", "EMLINK", "ENOSYS", "EOPNOTSUPP"].includes(code)) {
      // The system call does not tell which of the two names it means.
      await onDisk(from, () => stat(from));
      throw fromErrno(error, to, { use: "write" });
    }
    await onDisk(to, () => copyFile(from, to), "write");
  }
}
