/** One run at a time in a workspace. The lock is a file that says who holds it; a dead holder's lock is taken over. */
import { link, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { hasCode } from "../artifacts/index.js";
import { DraftsmithError, fromErrno, makeDirectory } from "../base/index.js";

interface Holder {
  pid: number;
  host: string;
  /** Start of the process in clock ticks since boot: a pid alone may have been reused. */
  started: string;
}

export interface Lock {
  release(): Promise<void>;
}

/**
 * The first thing that a run writes, so this is also where an unusable place for results is found.
 *
 * @param field - the option that named the place
 * @throws DraftsmithError USAGE when another live process holds it; OUTPUT_INVALID, DISK_FULL when it cannot be written.
 */
export async function acquireLock(path: string, field: string): Promise<Lock> {
  try {
    return await acquire(path);
  } catch (error) {
    throw fromErrno(error, dirname(path), { use: "write", field });
  }
}

async function acquire(path: string): Promise<Lock> {
  await makeDirectory(dirname(path));
  const own: Holder = { pid: process.pid, host: hostname(), started: await startOf(process.pid) };
  const text = JSON.stringify(own);
  const draft = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await writeFile(draft, text);
  try {
    // A link appears with its content, unlike a file that is created and then written.
    for (let attempt = 0; attempt < 5; attempt += 1) {
      try {
        await link(draft, path);
        return { release: () => release(path, text) };
      } catch (error) {
        if (!hasCode(error, "EEXIST")) throw error;
      }
      const found = await readFile(path, "utf8").catch(() => undefined);
      if (found === undefined) continue;
      const holder = parseHolder(found);
      if (holder !== undefined && (await lives(holder))) throw held(path, holder);
      await takeAway(path, found, draft);
    }
    throw new DraftsmithError("USAGE", `several runs compete for ${path}`, { hint: "start one run at a time" });
  } finally {
    await rm(draft, { force: true });
  }
}

/** Removes a dead holder's lock, unless another process replaced it in the meantime: then theirs is put back. */
async function takeAway(path: string, expected: string, draft: string): Promise<void> {
  const away = `${draft}.stale`;
  try {
    await rename(path, away);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return;
    throw error;
  }
  if ((await readFile(away, "utf8")) !== expected) await link(away, path).catch(() => undefined);
  await unlink(away);
}

async function release(path: string, own: string): Promise<void> {
  if ((await readFile(path, "utf8").catch(() => undefined)) === own) await rm(path, { force: true });
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder>;
    if (typeof value.pid === "number" && typeof value.host === "string" && typeof value.started === "string") {
      return value as Holder;
    }
  } catch {
    // Not ours, or damaged: its holder is unknown.
  }
  return undefined;
}

async function lives(holder: Holder): Promise<boolean> {
  // On a shared file system the holder may run on another host; it cannot be checked, so it counts as alive.
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (!hasCode(error, "EPERM")) return false;
  }
  const started = await startOf(holder.pid);
  return started === "" || holder.started === "" || started === holder.started;
}

/** Field 22 of /proc/PID/stat; empty where there is no /proc. The name in field 2 may hold spaces. */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

function held(path: string, holder: Holder): DraftsmithError {
  const where = holder.host === hostname() ? "" : ` on ${holder.host}`;
  return new DraftsmithError("USAGE", `another run (process ${holder.pid}${where}) works in ${dirname(path)}`, {
    location: { file: path },
    hint: "wait for it, stop it, or choose another --workspace",
  });
}
