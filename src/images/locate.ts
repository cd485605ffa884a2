/** From what a row says about a picture (a path, a data URI) to the bytes, within declared directories only. */
import { constants } from "node:fs";
import { type FileHandle, open, realpath } from "node:fs/promises";
import { isAbsolute, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { tooManyBytes } from "./canonicalise.js";
import { type ImageResult, refuse } from "./reasons.js";
import { isRemote, remoteName } from "./remote.js";

export interface ImageRoots {
  /** Absolute directories, tried in order for relative paths. */
  directories: readonly string[];
  /** Where links lead: the same directories with every link resolved. */
  resolved: readonly string[];
}

/** @throws the errno error of a root that does not exist */
export async function openRoots(directories: readonly string[]): Promise<ImageRoots> {
  return { directories, resolved: await Promise.all(directories.map((directory) => realpath(directory))) };
}

const NON_BLOCKING = constants.O_RDONLY | constants.O_NONBLOCK;
const DATA_URI = /^data:([^,]*),/i;
const SCHEME = /^[a-z][a-z0-9+.-]+:/i;
const BASE64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/;

/** Reads the picture that `reference` names. Never follows a path or link out of the roots, never fetches. */
export async function readReference(
  reference: string,
  roots: ImageRoots,
  maxBytes: number,
): Promise<ImageResult<{ bytes: Buffer }>> {
  const data = DATA_URI.exec(reference);
  if (data !== null) return decodeDataUri(data[1]!, reference.slice(data[0].length), maxBytes);
  if (/^file:/i.test(reference)) {
    try {
      return await readPath(fileURLToPath(reference), roots, maxBytes);
    } catch {
      return refuse("image-reference-invalid", `not a local file address: ${shorten(reference)}`);
    }
  }
  if (SCHEME.test(reference)) {
    const name = isRemote(reference) ? remoteName(reference) : shorten(reference);
    return refuse("image-remote-refused", `only local files and data URIs are read, not ${name}`);
  }
  return readPath(reference, roots, maxBytes);
}

function decodeDataUri(header: string, body: string, maxBytes: number): ImageResult<{ bytes: Buffer }> {
  if (!/;base64$/i.test(header)) return refuse("image-data-uri-invalid", "the data URI is not marked as base64");
  // Four characters hold three bytes: judge the size before decoding.
  const size = Math.floor((body.length * 3) / 4);
  if (size > maxBytes + 3) return tooManyBytes(size, maxBytes);
  if (!BASE64.test(body)) return refuse("image-data-uri-invalid", "the data URI is not valid base64");
  const bytes = Buffer.from(body, "base64");
  if (bytes.length === 0) return refuse("image-data-uri-invalid", "the data URI is empty");
  return { ok: true, bytes };
}

async function readPath(path: string, roots: ImageRoots, maxBytes: number): Promise<ImageResult<{ bytes: Buffer }>> {
  if (path === "" || path.includes("\0"))
    return refuse("image-reference-invalid", "the path is empty or has a zero byte");
  // On POSIX a backslash is part of a name; as a separator it would be the same attempt.
  if (path.split(/[/\\]/).includes("..")) return refuse("image-outside-root", `".." in ${shorten(path)}`);
  const candidates = isAbsolute(path) ? [path] : roots.directories.map((directory) => join(directory, path));
  for (const candidate of candidates) {
    let real: string;
    try {
      real = await realpath(candidate);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") continue;
      return refuse("image-missing", `${shorten(path)}: ${code ?? (error as Error).message}`);
    }
    if (!roots.resolved.some((root) => isInside(real, root))) {
      return refuse("image-outside-root", `${shorten(path)} leads out of the image roots`);
    }
    return readFileWithin(real, path, maxBytes);
  }
  return refuse("image-missing", `${shorten(path)} is in none of the image roots`);
}

function isInside(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

async function readFileWithin(real: string, name: string, maxBytes: number): Promise<ImageResult<{ bytes: Buffer }>> {
  let handle: FileHandle;
  try {
    // Non-blocking: opening a pipe that nobody writes to would wait forever. For plain files it changes nothing.
    handle = await open(real, NON_BLOCKING);
  } catch (error) {
    return refuse("image-missing", `${shorten(name)}: ${(error as NodeJS.ErrnoException).code ?? "cannot be opened"}`);
  }
  try {
    const status = await handle.stat();
    if (!status.isFile()) return refuse("image-not-a-file", `${shorten(name)} is no plain file`);
    if (status.size > maxBytes) return tooManyBytes(status.size, maxBytes);
    return { ok: true, bytes: await handle.readFile() };
  } catch (error) {
    return refuse("image-missing", `${shorten(name)}: ${(error as NodeJS.ErrnoException).code ?? "cannot be read"}`);
  } finally {
    await handle.close();
  }
}

/** References can be megabytes long; messages are for people. */
function shorten(reference: string): string {
  return JSON.stringify(reference.length > 200 ? `${reference.slice(0, 200)}...` : reference);
}
