/** Hashes of files and directories, remembered by path, size, time and inode so that unchanged data is read once. */
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { type FileHash, mapLanes, writeDurably } from "../artifacts/index.js";
import { DraftsmithError, digestOf, type JsonObject, sha256File } from "../base/index.js";

const LARGE_FILE = 1 << 30;
/** Hashes that this run did not use are dropped once there are more of them than this. */
const MAX_UNUSED = 100_000;
/** Directories with more files than this enter a fingerprint as one digest, without the list. */
const MAX_LISTED = 256;

interface Remembered {
  /** size, modification time in ns, inode. */
  key: string;
  sha256: string;
}

/** The identity of a file that was hashed before. */
async function identify(path: string): Promise<{ key: string; bytes: number }> {
  const { size, mtimeNs, ino } = await stat(path, { bigint: true });
  return { key: `${size} ${mtimeNs} ${ino}`, bytes: Number(size) };
}

export interface HashOptions {
  /** Aborts the hashing of many files. */
  signal?: AbortSignal;
  /** Called before a file is read that takes seconds. */
  onLargeFile?(path: string, bytes: number): void;
}

export class HashCache {
  private readonly cacheFile: string | undefined;
  private readonly options: HashOptions;
  private readonly known: Map<string, Remembered>;
  /** Paths that were asked for in this process. */
  private readonly used = new Set<string>();
  private changed = false;

  private constructor(file: string | undefined, known: Map<string, Remembered>, options: HashOptions) {
    this.cacheFile = file;
    this.options = options;
    this.known = known;
  }

  /** Without a file nothing is remembered beyond this process. A damaged cache counts as empty. */
  static async load(file?: string, options: HashOptions = {}): Promise<HashCache> {
    if (file === undefined) return new HashCache(undefined, new Map(), options);
    try {
      const entries = JSON.parse(await readFile(file, "utf8")) as Record<string, Remembered>;
      return new HashCache(file, new Map(Object.entries(entries)), options);
    } catch {
      return new HashCache(file, new Map(), options);
    }
  }

  /** @throws the errno exception of a file that cannot be read. */
  async file(path: string, fresh = false): Promise<FileHash> {
    this.used.add(path);
    const { key, bytes } = await identify(path);
    const known = this.known.get(path);
    if (!fresh && known?.key === key) return { sha256: known.sha256, bytes };
    const { signal, onLargeFile } = this.options;
    if (signal?.aborted === true) throw new DraftsmithError("INTERRUPTED", `stopped while reading ${path}`);
    if (bytes >= LARGE_FILE) onLargeFile?.(path, bytes);
    const hash = await sha256File(path);
    // A file that changed while it was read is not remembered.
    if ((await identify(path)).key === key) this.remember(path, key, hash.sha256);
    return hash;
  }

  /** Remembers a hash that was computed elsewhere, for the file as it is now. */
  async learn(path: string, sha256: string): Promise<void> {
    this.used.add(path);
    this.remember(path, (await identify(path)).key, sha256);
  }

  /** A cache that cannot be written costs time in the next run, which is no reason to fail this one. */
  async save(): Promise<void> {
    if (this.cacheFile === undefined || !this.changed) return;
    const full = this.known.size - this.used.size > MAX_UNUSED;
    const entries = full ? [...this.known].filter(([path]) => this.used.has(path)) : this.known;
    await writeDurably(this.cacheFile, JSON.stringify(Object.fromEntries(entries))).catch(() => undefined);
    this.changed = false;
  }

  private remember(path: string, key: string, sha256: string): void {
    this.known.set(path, { key, sha256 });
    this.changed = true;
  }
}

/** A file or directory as a fingerprint records it: by content, never by location. */
export async function contentOf(path: string, cache: HashCache): Promise<JsonObject> {
  if (!(await stat(path)).isDirectory()) {
    return { file: basename(path), sha256: (await cache.file(path)).sha256 };
  }
  const paths = await walk(path);
  const hashes = await mapLanes(paths, async (inside) => (await cache.file(join(path, inside))).sha256);
  const files = Object.fromEntries(paths.map((inside, k) => [inside, hashes[k]!]));
  if (paths.length > MAX_LISTED) return { directory: paths.length, sha256: digestOf(files) };
  return { directory: paths.length, files };
}

/** Files at the top of a directory that cannot affect results: READMEs, licences, hidden ones. */
const ASIDE = /^\.|\.md$|^LICEN[CS]E/;

/** Relative paths of all files, links followed (model caches are made of them); each directory once. */
async function walk(root: string): Promise<string[]> {
  const seen = new Set<string>();
  const found: string[] = [];
  const visit = async (inside: string): Promise<void> => {
    const here = await realpath(join(root, inside));
    if (seen.has(here)) return;
    seen.add(here);
    for (const entry of await readdir(here, { withFileTypes: true })) {
      if (inside === "" && ASIDE.test(entry.name)) continue;
      const path = inside === "" ? entry.name : `${inside}/${entry.name}`;
      const isDirectory = entry.isSymbolicLink() ? (await stat(join(root, path))).isDirectory() : entry.isDirectory();
      if (isDirectory) await visit(path);
      else found.push(path);
    }
  };
  await visit("");
  return found.sort((a, b) => (a < b ? -1 : 1));
}
