/** A file that the user asked for by name, which may hold something of theirs. */
import { readFile } from "node:fs/promises";
import { DraftsmithError, fromErrno } from "../base/index.js";
import { writeFileAtomic } from "./atomic.js";

/** @throws DraftsmithError OUTPUT_INVALID if the file holds another text and `force` is not set; DISK_FULL, DISK_FAILED */
export async function writeNewFile(path: string, text: string, { force }: { force: boolean }): Promise<void> {
  const before = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw fromErrno(error, path, { use: "write" });
  });
  if (before === text) return;
  if (before !== undefined && !force) {
    throw new DraftsmithError("OUTPUT_INVALID", `${path} exists and holds something else`, {
      location: { file: path },
      hint: "choose another file, or replace it with --force",
    });
  }
  await writeFileAtomic(path, text);
}
