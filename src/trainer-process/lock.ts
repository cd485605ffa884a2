/** A lock between processes, so that two commands do not make the same environment at once. */
import { open, readFile, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Runs `task` while holding `path`; waits for a live holder, takes over from a dead one. */
export async function withLock<T>(path: string, task: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      const handle = await open(path, "wx");
      await handle.writeFile(String(process.pid));
      await handle.close();
      break;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      if (!(await holderLives(path))) await rm(path, { force: true });
      else await sleep(500);
    }
  }
  try {
    return await task();
  } finally {
    await rm(path, { force: true });
  }
}

async function holderLives(path: string): Promise<boolean> {
  const text = await readFile(path, "utf8").catch(() => "");
  const pid = Number.parseInt(text, 10);
  // Empty: the holder is between creating and writing the file. It is given the benefit of the doubt once.
  if (Number.isNaN(pid)) {
    await sleep(1000);
    return (await readFile(path, "utf8").catch(() => "")) !== text;
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
