import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  type Counts,
  linkOrCopy,
  type ManifestDraft,
  onDisk,
  type SplitName,
  writeFileAtomic,
} from "../../artifacts/index.js";
import { DraftsmithError, digestOf } from "../../base/index.js";
import type { InputArtifact, StageContext } from "../stage.js";
import { describeShards } from "./describe.js";
import type { ShardOptions } from "./options.js";
import { forEachIndex, sortedIndices } from "./order.js";
import { closeIndex, indexRows, type RowIndex } from "./row-index.js";
import { planShards } from "./shard-plan.js";
import { type GroupFacts, splitRows } from "./split.js";
import { splitFacts, splitsJson } from "./split-facts.js";
import { writeShards } from "./write-shards.js";

export interface ShardInputs {
  rows: InputArtifact;
  /** Holds the images. */
  dialogues: InputArtifact;
}

/** Raise when the same input gives other shards: finished shards of an interrupted run are then rebuilt. */
const SHARD_VERSION = 3;
const PROGRESS_EVERY_MS = 200;

/** Splits rows without leaks, shuffles them once, and packs rows and images into files that can be mapped into memory. */
export async function runShard(
  options: ShardOptions,
  inputs: ShardInputs,
  context: StageContext,
): Promise<ManifestDraft> {
  const index = await indexRows(inputs.rows, context.limit, context.signal);
  try {
    return await shardIndexed(options, inputs, context, index);
  } finally {
    await closeIndex(index);
  }
}

async function shardIndexed(
  options: ShardOptions,
  inputs: ShardInputs,
  context: StageContext,
  index: RowIndex,
): Promise<ManifestDraft> {
  if (index.rows.length === 0) {
    throw new DraftsmithError("DATA_EMPTY", `there are no rows in ${inputs.rows.path}`, {
      hint: "the counts of the tokenize step say why",
    });
  }
  const { heldoutShare, seed, rowsPerShard, imagesPerShard, maxRows } = options;
  const { train: allTrain, heldout, ...groups } = await splitRows(index, heldoutShare, seed);
  warnOfLargeGroup(groups, index.rows.length, context);
  const train = allTrain.subarray(0, maxRows ?? allTrain.length);
  const hashes = await hashesOf(index, [train, heldout]);

  const directory = await resumeDirectory(options, inputs, context);
  const plans = planShards({ train, heldout }, hashes, rowsPerShard, imagesPerShard);
  const report = reporter(context, { rows: train.length + heldout.length, images: hashes.length });
  const sources = { index, images: join(inputs.dialogues.path, "images") };
  const found = await writeShards(plans, directory, sources, context.signal, report);
  if (found > 0) {
    const message = `${found} of ${plans.length} shards were finished before the interruption`;
    context.events.emit({ type: "log", level: "info", step: context.step, message });
  }
  for (const { path } of plans) {
    const target = join(context.workDir, path);
    await onDisk(target, () => mkdir(dirname(target), { recursive: true }), "write");
    await linkOrCopy(join(directory, path), target);
  }

  const filesOf = (wanted: string) => plans.filter(({ part }) => part === wanted).map(({ path }) => path);
  const factsOf = (split: SplitName, numbers: Uint32Array) => splitFacts(split, filesOf(split), index.rows, numbers);
  const splits = { train: await factsOf("train", train), heldout: await factsOf("heldout", heldout) };
  const beyond = allTrain.length - train.length;
  const counts: Counts = {
    read: index.rows.length,
    kept: train.length + heldout.length,
    rejected: beyond === 0 ? {} : { "beyond-max-rows": beyond },
    train: train.length,
    heldout: heldout.length,
    images: hashes.length,
    ...groups,
  };
  const { metadata } = index;
  const card = {
    ...inputs,
    license: options.license,
    metadata,
    splits,
    images: hashes.length,
    counts,
    seed,
    heldoutShare,
  };
  await describeShards(context.workDir, card, filesOf("images"));
  const split = { seed, heldoutShare, by: ["dialogue", "screenshot"] };
  return { counts, facts: { rows: metadata, split, splits: splitsJson(splits) } };
}

/** Hashes of all images that these rows need, sorted. */
async function hashesOf({ rows, images }: RowIndex, parts: readonly Uint32Array[]): Promise<string[]> {
  const used = new Set<number>();
  for (const part of parts) {
    await forEachIndex(part.length, (at) => {
      for (const image of rows[part[at]!]!.images) used.add(image);
    });
  }
  const hashes = Array.from(used, (image) => images[image]!);
  const order = await sortedIndices(hashes.length, (a, b) => (hashes[a]! < hashes[b]! ? -1 : 1));
  return Array.from(order, (at) => hashes[at]!);
}

/** Directory with the finished shards of an interrupted run, if input and options are the same. */
async function resumeDirectory(options: ShardOptions, inputs: ShardInputs, context: StageContext): Promise<string> {
  const { license: _, ...deciding } = options;
  const plan = digestOf({
    version: SHARD_VERSION,
    options: deciding,
    limit: context.limit,
    rows: inputs.rows.manifest.digest,
    dialogues: inputs.dialogues.manifest.digest,
  });
  const directory = join(context.resumeDir, "shards");
  const planFile = join(context.resumeDir, "plan.txt");
  const earlier = await readFile(planFile, "utf8").catch(() => undefined);
  if (earlier !== plan) {
    await onDisk(directory, () => rm(directory, { recursive: true, force: true }));
    await onDisk(context.resumeDir, () => mkdir(context.resumeDir, { recursive: true }));
    await writeFileAtomic(planFile, plan);
  }
  await onDisk(directory, () => mkdir(directory, { recursive: true }));
  return directory;
}

function warnOfLargeGroup({ largestGroup }: GroupFacts, rows: number, context: StageContext): void {
  if (largestGroup <= rows / 2 || rows < 10) return;
  const share = Math.round((100 * largestGroup) / rows);
  context.events.emit({
    type: "log",
    level: "warn",
    step: context.step,
    message: `${share} % of the rows are linked by shared screenshots and cannot be held out; held-out rows are less varied`,
  });
}

function reporter(context: StageContext, totals: Record<"rows" | "images", number>) {
  const done = { rows: 0, images: 0 };
  let reported = 0;
  return (kind: "rows" | "images", count: number) => {
    done[kind] += count;
    const closing = done[kind] === totals[kind];
    if (!closing && performance.now() - reported < PROGRESS_EVERY_MS) return;
    reported = performance.now();
    context.events.emit({
      type: "step-progress",
      step: context.step,
      done: done[kind],
      total: totals[kind],
      unit: kind,
    });
  };
}
