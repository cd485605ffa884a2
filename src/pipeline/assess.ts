/** Whether a step has to run: compares its fingerprint with the one that its sealed output was made with. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FINGERPRINT_FILE, findDamage, type Manifest, readManifest } from "../artifacts/index.js";
import { isDraftsmithError, parseJson } from "../base/index.js";
import type { HashCache } from "./content.js";
import type { Fingerprint } from "./fingerprint.js";
import { fingerprintDigest } from "./fingerprint.js";
import { describeChange, diffFingerprints } from "./fingerprint-diff.js";

export interface Sealed {
  manifest: Manifest;
  fingerprint: Fingerprint | undefined;
}

export type Verdict = { state: "cached"; manifest: Manifest } | { state: "run"; why: string };

/** The sealed output in a directory; undefined when there is none, or none that can be read. */
export async function readSealed(directory: string): Promise<Sealed | undefined> {
  try {
    const manifest = await readManifest(directory);
    const text = await readFile(join(directory, FINGERPRINT_FILE), "utf8").catch(() => undefined);
    return { manifest, fingerprint: text === undefined ? undefined : (parseJson(text) as Fingerprint) };
  } catch (error) {
    if (isDraftsmithError(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export interface AssessRequest {
  directory: string;
  fingerprint: Fingerprint;
  cache: HashCache;
  force: boolean;
  /** Read every file of a cached output again. Otherwise only those whose size, time or inode changed. */
  verify: boolean;
}

export async function assess({ directory, fingerprint, cache, force, verify }: AssessRequest): Promise<Verdict> {
  const sealed = await readSealed(directory);
  if (sealed === undefined) return { state: "run", why: "not made yet" };
  if (force) return { state: "run", why: "forced" };
  if (sealed.fingerprint === undefined) return { state: "run", why: "its output has no fingerprint" };
  if (fingerprintDigest(sealed.fingerprint) !== fingerprintDigest(fingerprint)) {
    const changes = diffFingerprints(sealed.fingerprint, fingerprint).map(describeChange);
    return {
      state: "run",
      why: changes.slice(0, 3).join("; ") + (changes.length > 3 ? ` and ${changes.length - 3} more` : ""),
    };
  }
  const damage = await findDamage(
    directory,
    sealed.manifest,
    async (file, expected) => (await cache.file(file, verify)).sha256 === expected.sha256,
  );
  if (damage !== undefined) return { state: "run", why: `its output is damaged: ${damage}` };
  return { state: "cached", manifest: sealed.manifest };
}
