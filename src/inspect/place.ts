/** Finds the rows that a path means: an Arrow file, a rows or shards artifact, or the workspace of a pipeline's runs. */
import { readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import {
  isSealed,
  type Manifest,
  openArtifact,
  readManifest,
  SPLITS,
  shardPaths,
  verifyFiles,
} from "../artifacts/index.js";
import { DraftsmithError, fromErrno } from "../base/index.js";

export interface RowsPlace {
  /** Full paths, in order. */
  rowFiles: string[];
  imageFiles: string[];
  /** The model directory that the rows were made with, where a manifest in reach names it. */
  model: string | undefined;
}

/**
 * Sizes and hashes of the row files are compared with the manifest, if there is one.
 * @throws DraftsmithError INPUT_MISSING, INPUT_INVALID, ARTIFACT_INVALID
 */
export async function findRows(path: string): Promise<RowsPlace> {
  const given = resolve(path);
  const found = await stat(given).catch((error: unknown) => {
    throw fromErrno(error, given);
  });
  if (found.isFile()) return ofFile(given);
  const directory = (await isSealed(given)) ? given : await artifactOfRun(given);
  return ofArtifact(directory);
}

async function ofArtifact(directory: string): Promise<RowsPlace> {
  const { manifest } = await openArtifact(directory, ["shards", "rows"]);
  const paths = manifest.files.map((file) => file.path);
  const rows = manifest.kind === "rows" ? paths.filter((name) => /^rows-\d+\.arrow$/.test(name)) : splitPaths(paths);
  await verifyFiles({ path: directory, manifest }, rows);
  return {
    rowFiles: rows.map((name) => join(directory, name)),
    imageFiles: shardPaths(paths, "images").map((name) => join(directory, name)),
    model: manifest.kind === "rows" ? modelIn(manifest) : await modelOfNeighbour(directory, manifest),
  };
}

function splitPaths(paths: readonly string[]): string[] {
  return SPLITS.flatMap((split) => shardPaths(paths, split));
}

/** A file of an artifact is checked and has its images as in the artifact; any other file stands alone. */
async function ofFile(file: string): Promise<RowsPlace> {
  for (const directory of [dirname(file), dirname(dirname(file))]) {
    if (!(await isSealed(directory))) continue;
    const place = await ofArtifact(directory);
    if (place.rowFiles.includes(file)) return { ...place, rowFiles: [file] };
  }
  return { rowFiles: [file], imageFiles: [], model: undefined };
}

/** The step of a run that made shards, or else rows. */
async function artifactOfRun(workspace: string): Promise<string> {
  const steps = join(workspace, "steps");
  const names = await readdir(steps).catch(() => []);
  const made: { directory: string; kind: string }[] = [];
  for (const name of names.sort()) {
    const directory = join(steps, name);
    if (await isSealed(directory)) made.push({ directory, kind: (await readManifest(directory)).kind });
  }
  for (const kind of ["shards", "rows"]) {
    const [first, ...others] = made.filter((step) => step.kind === kind);
    if (first === undefined) continue;
    if (others.length === 0) return first.directory;
    throw new DraftsmithError("INPUT_INVALID", `${others.length + 1} steps of ${workspace} made ${kind}`, {
      location: { file: workspace },
      hint: `name one of them: ${[first, ...others].map(({ directory }) => directory).join(", ")}`,
    });
  }
  throw new DraftsmithError("INPUT_INVALID", `${workspace} holds neither rows nor shards`, {
    location: { file: workspace },
    hint: "name an Arrow file of rows, a rows or shards directory, or the directory of a pipeline's runs",
  });
}

function modelIn({ producer }: Manifest): string | undefined {
  const { model } = producer.options;
  return typeof model === "string" ? model : undefined;
}

/** Shards name no model directory; the rows that they were made from, in a step beside them, do. */
async function modelOfNeighbour(directory: string, { inputs }: Manifest): Promise<string | undefined> {
  const digest = inputs.rows?.digest;
  const steps = dirname(directory);
  for (const name of await readdir(steps).catch(() => [])) {
    const neighbour = join(steps, name);
    if (digest === undefined || !(await isSealed(neighbour))) continue;
    const manifest = await readManifest(neighbour).catch(() => undefined);
    if (manifest?.kind === "rows" && manifest.digest === digest) return modelIn(manifest);
  }
  return undefined;
}
