import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromErrno } from "../base/index.js";

/** A new directory for one stage's run; whoever asks for it removes it. */
export async function makeTemporary(name: string): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), `draftsmith-${name}-`));
  } catch (error) {
    throw fromErrno(error, tmpdir(), { use: "write", field: "TMPDIR" });
  }
}
