/** Rows and images as earlier steps leave them, made from a seed, and a way to run the stage as the pipeline does. */
import { mkdir, mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  ImagesFile,
  listFiles,
  type Manifest,
  openRowsWriter,
  readRowsFile,
  type SplitName,
  type StoredImage,
  shardFiles,
  type TokenRow,
} from "../../../src/artifacts/index.js";
import { sha256 } from "../../../src/base/index.js";
import type { DraftsmithEvent } from "../../../src/events/index.js";
import { ImageStore } from "../../../src/images/index.js";
import { shardOptionsSchema } from "../../../src/stages/shard/options.js";
import { runShard } from "../../../src/stages/shard/run.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { scratchDirectory } from "../../scratch/scratch.js";

export interface World {
  top: string;
  rows: InputArtifact;
  dialogues: InputArtifact;
}

/** Something with a PNG's header; the stage looks no further. */
function png(k: number, bytes: number): { png: Buffer; hash: string } {
  const file = Buffer.alloc(24 + bytes, k);
  file.writeUInt32BE(100 + k, 16);
  file.writeUInt32BE(50, 20);
  return { png: file, hash: sha256(file) };
}

export interface WorldSize {
  dialogues: number;
  images: number;
  /** Rows in a file of the input. */
  rowsPerFile: number;
  /** Length of a row. */
  tokens: number;
  imageBytes: number;
}

const DEFAULT_SIZE: WorldSize = { dialogues: 60, images: 40, rowsPerFile: 50, tokens: 30, imageBytes: 200 };

/** Dialogue d has 1 to 3 rows; its rows show image d (modulo the number of images), the second row none. */
export function makeRows(size: WorldSize, hashes: readonly string[]): TokenRow[] {
  return Array.from({ length: size.dialogues }, (_, d) =>
    Array.from({ length: 1 + (d % 3) }, (_, row): TokenRow => {
      const tokens = size.tokens + row;
      const images = row === 1 ? [] : [hashes[d % hashes.length]!];
      return {
        inputIds: new Int32Array(tokens).fill(1000 * d + row),
        lossMask: new Int8Array(tokens).fill(1, tokens - 5),
        mmTokenTypeIds: new Int8Array(tokens),
        imageHashes: images,
        imageGridThw: Int32Array.from(images.flatMap(() => [1, 4, 6])),
        videoFrames: [],
        videoFrameCounts: new Int32Array(0),
        videoGridThw: new Int32Array(0),
        dialogueId: `dialogue ${d}`,
        row,
        turns: Int32Array.of(row),
        responseSpans: Int32Array.of(tokens - 5, tokens),
        tags: d % 2 === 0 ? { app: "mail" } : {},
      };
    }),
  ).flat();
}

export const METADATA = { schemaVersion: 1, model: { config: "c".repeat(64) }, imageTokenId: 99 };

function manifest(kind: "rows" | "dialogues", paths: string[], digest: string): Manifest {
  return {
    kind,
    schemaVersion: 1,
    producer: { stage: "test", version: "0", options: {} },
    inputs: {},
    files: paths.map((path) => ({ path, bytes: 0, sha256: "0".repeat(64) })),
    counts: {},
    facts: {},
    digest,
  };
}

export async function makeWorld(change: Partial<WorldSize> = {}): Promise<World> {
  const size = { ...DEFAULT_SIZE, ...change };
  const top = scratchDirectory("shard");
  await mkdir(join(top, "rows"));
  const store = new ImageStore(join(top, "dialogues", "images"));
  const images = Array.from({ length: size.images }, (_, k) => png(k, size.imageBytes));
  for (const image of images) await store.put(image);
  const rows = makeRows(
    size,
    images.map((image) => image.hash),
  );
  const paths: string[] = [];
  for (let from = 0; from < rows.length; from += size.rowsPerFile) {
    const name = `rows-${String(paths.length).padStart(5, "0")}.arrow`;
    const writer = await openRowsWriter(join(top, "rows", name), METADATA, { batchRows: 16 });
    for (const row of rows.slice(from, from + size.rowsPerFile)) await writer.append(row);
    await writer.close();
    paths.push(name);
  }
  return {
    top,
    rows: { path: join(top, "rows"), manifest: manifest("rows", [...paths, "rejected.jsonl"], "1".repeat(64)) },
    dialogues: { path: join(top, "dialogues"), manifest: manifest("dialogues", [], "2".repeat(64)) },
  };
}

export interface RunOptions {
  limit?: number;
  resumeDir?: string;
  workDir?: string;
  signal?: AbortSignal;
}

export async function runStage(world: World, options: object, more: RunOptions = {}) {
  const workDir = more.workDir ?? (await mkdtemp(join(world.top, "work-")));
  const resumeDir = more.resumeDir ?? (await mkdtemp(join(world.top, "resume-")));
  const events: DraftsmithEvent[] = [];
  const draft = await runShard(shardOptionsSchema.parse(options), world, {
    step: "shard",
    events: { emit: (event) => events.push(event) },
    signal: more.signal ?? new AbortController().signal,
    workDir,
    resumeDir,
    limit: more.limit,
  });
  return { ...draft, workDir, events };
}

export async function hashesOf(directory: string): Promise<Record<string, string>> {
  const names = await listFiles(directory);
  const hashes = await Promise.all(names.map(async (name) => sha256(await readFile(join(directory, name)))));
  return Object.fromEntries(names.map((name, k) => [name, hashes[k]!]));
}

export async function readSplit(directory: string, split: SplitName): Promise<TokenRow[]> {
  const rows: TokenRow[] = [];
  for (const path of await shardFiles(directory, split)) {
    for await (const row of readRowsFile(path)) rows.push(row);
  }
  return rows;
}

export async function readImages(directory: string): Promise<StoredImage[]> {
  const images: StoredImage[] = [];
  for (const path of await shardFiles(directory, "images")) {
    const file = await ImagesFile.open(path);
    for await (const image of file.readImages()) images.push(image);
    await file.close();
  }
  return images;
}

export const nameOf = (row: TokenRow) => `${row.dialogueId}/${row.row}`;
