/** A file that the user asked for by name, which may hold something of theirs. */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { DraftsmithError } from "./errors.js";
import { fromErrno } from "./file-errors.js";

/** @throws DraftsmithError OUTPUT_INVALID if the file holds another text and `force` is not set, or cannot be written */
export async function writeNewFile(path: string, text: string, { force }: { force: boolean }): Promise<void> {
  const partial = `${path}.partial`;
  try {
    const before = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (before === text) return;
    if (before !== undefined && !force) {
      throw new DraftsmithError("OUTPUT_INVALID", `${path} exists and holds something else`, {
        location: { file: path },
        hint: "choose another file, or replace it with --force",
      });
    }
    await writeFile(partial, text);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw fromErrno(error, path, { use: "write" });
  }
}
