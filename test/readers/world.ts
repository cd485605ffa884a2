/** Shards with real pictures, several files of each kind, and rows of every form, sealed as the shard step seals them. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { openRowsWriter, type SplitName, sealDirectory, type TokenRow } from "../../src/artifacts/index.js";
import { type JsonObject, sha256 } from "../../src/base/index.js";
import { ImageStore } from "../../src/images/index.js";
import { shardOptionsSchema } from "../../src/stages/shard/options.js";
import { runShard } from "../../src/stages/shard/run.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { readSplit } from "../stages/shard/world.js";

export const METADATA: JsonObject = {
  schemaVersion: 1,
  source: "ids",
  modelType: "qwen3_vl",
  mergeSize: 2,
  model: { config: "c".repeat(64), tokenizer: "d".repeat(64), template: "e".repeat(64) },
  systemPrompt: { policy: "set", text: "You operate | a computer.\nÜ" },
};

export interface Picture {
  hash: string;
  png: Buffer;
  width: number;
  height: number;
}

export interface ReaderWorld {
  /** The shards directory. */
  directory: string;
  pictures: Map<string, Picture>;
  rows: Record<SplitName, TokenRow[]>;
}

/** Dialogue d shows pictures d and d + 1 in this order, every third one none, every fifth one a video. */
export async function makeReaderWorld(options: { heldoutShare?: number } = {}): Promise<ReaderWorld> {
  const top = scratchDirectory("readers");
  const pictures = await Promise.all(Array.from({ length: 24 }, (_, k) => draw(k)));
  const store = new ImageStore(join(top, "dialogues", "images"));
  for (const picture of pictures) await store.put(picture);
  await mkdir(join(top, "rows"));
  const writer = await openRowsWriter(join(top, "rows", "rows-00000.arrow"), METADATA);
  for (let d = 0; d < 40; d += 1) await writer.append(rowOf(d, pictures));
  await writer.close();
  const workDir = join(top, "shards");
  await mkdir(workDir);
  const [rows, dialogues] = await Promise.all([
    seal(join(top, "rows"), "rows"),
    seal(join(top, "dialogues"), "dialogues"),
  ]);
  const draft = await runShard(
    shardOptionsSchema.parse({ heldoutShare: 0.2, rowsPerShard: 12, imagesPerShard: 9, ...options }),
    { rows, dialogues },
    {
      step: "shard",
      events: { emit: () => undefined },
      signal: new AbortController().signal,
      workDir,
      resumeDir: join(top, "resume"),
      limit: undefined,
    },
  );
  const producer = { stage: "shard", version: "0", options: {} };
  await sealDirectory({ directory: workDir, kind: "shards", producer, inputs: {}, draft });
  return {
    directory: workDir,
    pictures: new Map(pictures.map((picture) => [picture.hash, picture])),
    rows: { train: await readSplit(workDir, "train"), heldout: await readSplit(workDir, "heldout") },
  };
}

async function seal(directory: string, kind: "rows" | "dialogues") {
  const producer = { stage: "test", version: "0", options: { model: "/models/Qwen3-VL-8B-Instruct" } };
  const counts = { read: 44, kept: 40, rejected: { "image-missing": 4 } };
  const manifest = await sealDirectory({ directory, kind, producer, inputs: {}, draft: { counts, facts: {} } });
  return { path: directory, manifest };
}

async function draw(k: number): Promise<Picture> {
  const [width, height] = [16 + k, 40 - k];
  const background = { r: 10 * k, g: 255 - 10 * k, b: k };
  const png = await sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();
  return { hash: sha256(png), png, width, height };
}

function rowOf(d: number, pictures: readonly Picture[]): TokenRow {
  const shown = d % 3 === 2 ? [] : [pictures[d % 23]!, pictures[(d % 23) + 1]!];
  const frames = d % 5 === 0 ? [pictures[d % 24]!, pictures[d % 24]!] : [];
  const tokens = 20 + d;
  return {
    inputIds: Int32Array.from({ length: tokens }, (_, k) => 1000 * d + k),
    lossMask: Int8Array.from({ length: tokens }, (_, k) => (k >= tokens - 6 ? 1 : 0)),
    mmTokenTypeIds: Int8Array.from({ length: tokens }, (_, k) => (k < shown.length ? 1 : 0)),
    imageHashes: shown.map(({ hash }) => hash),
    imageGridThw: Int32Array.from(shown.flatMap((_, k) => [1, 2 + k, 4])),
    videoFrames: frames.map(({ hash }) => hash),
    videoFrameCounts: frames.length === 0 ? new Int32Array(0) : Int32Array.of(2),
    videoGridThw: frames.length === 0 ? new Int32Array(0) : Int32Array.of(1, 2, 2),
    dialogueId: `dialogue-${d}`,
    row: 0,
    turns: Int32Array.of(0, 1),
    responseSpans: Int32Array.of(tokens - 6, tokens - 3, tokens - 3, tokens),
    tags: { app: "mail" },
  };
}
