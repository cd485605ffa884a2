/** Trees of files: listing, durable writing, and work on many files with few in flight. */
import { execFile } from "node:child_process";
import { open, readdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

/** From this many files on, one flush of the whole file system is cheaper than one per file. */
const FLUSH_ALL_FROM = 64;
/** Files that are read concurrently. */
const LANES = 4;

/**
 * Every file below a directory as sorted relative paths with forward slashes.
 * @throws Error when something is neither a file nor a directory: a link would carry content from elsewhere.
 */
export async function listFiles(directory: string): Promise<string[]> {
  const found: string[] = [];
  const walk = async (inside: string): Promise<void> => {
    for (const entry of await readdir(join(directory, inside), { withFileTypes: true })) {
      const path = inside === "" ? entry.name : `${inside}/${entry.name}`;
      if (entry.isDirectory()) await walk(path);
      else if (entry.isFile()) found.push(path);
      else throw new Error(`${join(directory, path)} is neither a file nor a directory`);
    }
  };
  await walk("");
  return found.sort((a, b) => (a < b ? -1 : 1));
}

/** Writes a file so that it is either absent, old or complete, also after a power failure. */
export async function writeDurably(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  const handle = await open(temporary, "w");
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

/** Forces the content of these files to disk. */
export async function flushFiles(directory: string, paths: readonly string[]): Promise<void> {
  if (paths.length >= FLUSH_ALL_FROM) {
    try {
      await promisify(execFile)("sync", ["-f", directory]);
      return;
    } catch {
      // No such command, or one without -f: file by file then.
    }
  }
  await mapLanes(paths, async (path) => {
    const handle = await open(join(directory, path), "r");
    await handle.sync().finally(() => handle.close());
  });
}

/** Forces to disk the entries of a directory and of all directories in which these files lie. */
export async function flushTree(directory: string, paths: readonly string[]): Promise<void> {
  const inside = new Set<string>(["."]);
  for (const path of paths) {
    for (let at = dirname(path); !inside.has(at); at = dirname(at)) inside.add(at);
  }
  await mapLanes([...inside], (path) => flushDirectory(join(directory, path)));
}

/** Forces a directory's entries to disk. */
export async function flushDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  // Some file systems refuse to sync a directory; there the rename alone has to suffice.
  await handle.sync().catch(() => undefined);
  await handle.close();
}

/** Maps with bounded concurrency; results keep the order of the items. */
export async function mapLanes<T, R>(items: readonly T[], task: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const at = next;
      next += 1;
      results[at] = await task(items[at]!);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return results;
}

/** Whether an exception is a file system error with this errno code. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
