/** Artifact directories: sealed when their step is finished, published, and opened with checks. */
import { mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DraftsmithError, fromErrno, type JsonObject, parseJson, sha256File, stringifyJson } from "../base/index.js";
import {
  type ArtifactKind,
  MANIFEST_FILE,
  type Manifest,
  type ManifestDraft,
  manifestDigest,
  manifestSchema,
} from "./manifest.js";
import { flushDirectory, flushFiles, flushTree, hasCode, listFiles, mapLanes, writeDurably } from "./tree.js";

/** The cache key of the step that made the artifact; beside the manifest and, like it, not listed as a file. */
export const FINGERPRINT_FILE = "fingerprint.json";

/**
 * A card for people and hubs. Not listed in the manifest: its owner completes it, and what it says is also in the
 * manifest.
 */
export const CARD_FILE = "README.md";

const UNLISTED: readonly string[] = [FINGERPRINT_FILE, CARD_FILE];

export interface FileHash {
  sha256: string;
  bytes: number;
}

export interface SealRequest {
  /** The directory that the stage filled. */
  directory: string;
  kind: ArtifactKind;
  producer: Manifest["producer"];
  inputs: Manifest["inputs"];
  draft: ManifestDraft;
  /** Written to fingerprint.json. */
  fingerprint?: JsonObject;
}

/** Hashes every file, writes the manifest last and makes all of it durable. A directory with a manifest is complete. */
export async function sealDirectory(request: SealRequest): Promise<Manifest> {
  const { directory, kind, draft } = request;
  try {
    const paths = (await listFiles(directory)).filter((path) => !UNLISTED.includes(path));
    if (paths.includes(MANIFEST_FILE))
      throw new Error(`stage ${request.producer.stage} wrote its own ${MANIFEST_FILE}`);
    const hashes = await mapLanes(paths, (path) => sha256File(join(directory, path)));
    const files = paths.map((path, k) => ({ path, bytes: hashes[k]!.bytes, sha256: hashes[k]!.sha256 }));
    const content = { kind, schemaVersion: 1 as const, files, facts: draft.facts };
    const manifest = manifestSchema.parse({
      ...content,
      producer: request.producer,
      inputs: request.inputs,
      counts: draft.counts,
      digest: manifestDigest(content),
    });
    if (request.fingerprint !== undefined) {
      await writeDurably(join(directory, FINGERPRINT_FILE), `${stringifyJson(request.fingerprint, 2)}\n`);
    }
    await flushFiles(directory, paths);
    // The manifest claims that all files exist, so their names must be durable before it is.
    await flushTree(directory, paths);
    await writeDurably(join(directory, MANIFEST_FILE), `${stringifyJson(manifest, 2)}\n`);
    await flushDirectory(directory);
    return manifest;
  } catch (error) {
    throw fromErrno(error, directory, { use: "write" });
  }
}

/**
 * Moves a sealed directory to its place. An older artifact there is moved to `aside` first and removed afterwards; a
 * crash in between leaves the sealed directory with its manifest, from which `prepareWorkspace` finishes the move.
 */
export async function publishDirectory(sealed: string, target: string, aside: string): Promise<void> {
  try {
    await mkdir(dirname(target), { recursive: true });
    await rm(aside, { recursive: true, force: true });
    await rename(target, aside).catch((error: unknown) => {
      if (!hasCode(error, "ENOENT")) throw error;
    });
    await rename(sealed, target);
    // Both ends of the move are made durable before anything that the artifact could be rebuilt from is removed.
    await flushDirectory(dirname(target));
    if (dirname(sealed) !== dirname(target)) await flushDirectory(dirname(sealed));
    await rm(aside, { recursive: true, force: true });
  } catch (error) {
    throw fromErrno(error, target, { use: "write" });
  }
}

/** Whether a directory was sealed, without checking its files. */
export async function isSealed(directory: string): Promise<boolean> {
  return stat(join(directory, MANIFEST_FILE)).then(
    (found) => found.isFile(),
    () => false,
  );
}

export interface OpenOptions {
  /** Hash every file (true) or only compare sizes (false, the default). */
  verify?: boolean;
}

/**
 * Opens an artifact that is of one of these kinds.
 * @throws DraftsmithError INPUT_MISSING when there is no such directory; ARTIFACT_INVALID when it is unfinished,
 * damaged or of another kind.
 */
export async function openArtifact(
  path: string,
  kinds: ArtifactKind | readonly ArtifactKind[],
  options: OpenOptions = {},
): Promise<{ path: string; manifest: Manifest }> {
  const manifest = await readManifest(path);
  const wanted = typeof kinds === "string" ? [kinds] : kinds;
  if (!wanted.includes(manifest.kind)) {
    throw invalid(path, `${path} holds ${manifest.kind}, but ${wanted.join(" or ")} is needed here`, {
      hint: `it was made by the stage ${manifest.producer.stage}; name another directory or step`,
    });
  }
  const damage = await findDamage(path, manifest, async (file, expected) => {
    return options.verify === true ? hasSameHash(file, expected) : (await stat(file)).size === expected.bytes;
  });
  if (damage !== undefined) throw damagedArtifact(path, damage);
  return { path, manifest };
}

/**
 * Compares some files of an opened artifact with the hashes of its manifest, by reading them once (1.5 GB/s a core).
 * @throws DraftsmithError ARTIFACT_INVALID, which names the first that differs
 */
export async function verifyFiles(
  { path, manifest }: { path: string; manifest: Manifest },
  names: readonly string[],
): Promise<void> {
  const wanted = new Set(names);
  const files = manifest.files.filter((file) => wanted.has(file.path));
  const damage = await findDamage(path, { ...manifest, files }, hasSameHash);
  if (damage !== undefined) throw damagedArtifact(path, damage);
}

/** Reads and checks manifest.json alone. Errors as openArtifact. */
export async function readManifest(path: string): Promise<Manifest> {
  const file = join(path, MANIFEST_FILE);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (!hasCode(error, "ENOENT") && !hasCode(error, "ENOTDIR")) throw fromErrno(error, file);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) {
      throw new DraftsmithError("INPUT_MISSING", `${path} does not exist`, { location: { file: path } });
    }
    const what = found.isDirectory() ? "has no manifest.json" : "is a file";
    throw invalid(path, `${path} is not a finished artifact: it ${what}`, {
      hint: "name a directory that a draftsmith stage has finished",
    });
  }
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (cause) {
    throw invalid(path, `${file} is not JSON`, { cause });
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalid(path, `${file} is not a manifest: ${issue?.path.join(".")}: ${issue?.message}`, {
      hint: "it was written by another version of draftsmith, or by another tool",
    });
  }
  if (manifestDigest(parsed.data) !== parsed.data.digest) {
    throw invalid(path, `${file} was edited: its digest does not fit its content`, {});
  }
  return parsed.data;
}

/** Describes the first file that is missing or fails `check`; undefined when all pass. */
export async function findDamage(
  path: string,
  manifest: Manifest,
  check: (file: string, expected: FileHash) => Promise<boolean>,
): Promise<string | undefined> {
  const verdicts = await mapLanes(manifest.files, async (file) => {
    try {
      return (await check(join(path, file.path), file)) ? undefined : `${file.path} is not what the manifest says`;
    } catch (error) {
      if (hasCode(error, "ENOENT")) return `${file.path} is gone`;
      throw fromErrno(error, join(path, file.path));
    }
  });
  return verdicts.find((verdict) => verdict !== undefined);
}

async function hasSameHash(file: string, expected: FileHash): Promise<boolean> {
  return (await sha256File(file)).sha256 === expected.sha256;
}

function damagedArtifact(path: string, damage: string): DraftsmithError {
  return invalid(path, `${path} is damaged: ${damage}`, { hint: "make it again, or restore the file" });
}

function invalid(file: string, message: string, details: { hint?: string; cause?: unknown }): DraftsmithError {
  return new DraftsmithError("ARTIFACT_INVALID", message, { ...details, location: { file } });
}
