/**
 * The long parity run: generated texts, chats and sizes of all four model types against transformers itself.
 *
 *   npx tsx test/tokens/parity-run.ts --texts 1000000 --sizes 100000 --chats 4000 --seed 1 [--types qwen3_vl,...] [--model DIR]
 *
 * Counts are over all types together. Two processes can share the work by types or by seeds. Prints one JSON report;
 * the exit code is 1 where anything differs, with the seeds and values that show it.
 */
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { parseArgs } from "node:util";
import fc from "fast-check";
import { MODEL_TYPES, type ModelType, openModel } from "../../src/model/index.js";
import { createRenderer, imageGrid, smartResize, videoSmartResize } from "../../src/tokens/index.js";
import {
  canonicalMessages,
  promptMessages,
  someSize,
  someText,
  someVideoSize,
  toolDefinitions,
  withMarks,
} from "./arbitraries.js";
import { compareChat } from "./chats.js";
import { familyDirectory } from "./families.js";
import { findReference, Reference } from "./reference.js";

const { values } = parseArgs({
  options: {
    texts: { type: "string", default: "1000000" },
    sizes: { type: "string", default: "100000" },
    chats: { type: "string", default: "4000" },
    seed: { type: "string", default: "1" },
    /** For holding the rules against transformers 5.7, which writes videos otherwise. */
    "without-videos": { type: "boolean", default: false },
    types: { type: "string", default: MODEL_TYPES.join(",") },
    /** A model directory of your own, in place of those made from the embedded target. */
    model: { type: "string" },
  },
});
const TYPES: ModelType[] =
  values.model === undefined
    ? (values.types.split(",") as ModelType[])
    : [(await openModel(values.model)).config.modelType];
const SEED = Number(values.seed);
/** Kept small: a report is for people. */
const SHOWN = 10;
const TEXT_BATCH = 500;
const SIZE_BATCH = 1000;
const SIZE_RULES = [
  { factor: 32, minPixels: 65_536, maxPixels: 16_777_216 },
  { factor: 32, minPixels: 16_384, maxPixels: 262_144 },
  { factor: 28, minPixels: 3136, maxPixels: 1_003_520 },
  { factor: 32, minPixels: 1, maxPixels: 1024 },
];

interface Part {
  compared: number;
  distinct: number;
  differences: number;
  examples: unknown[];
  seconds: number;
}
const emptyPart = (): Part => ({ compared: 0, distinct: 0, differences: 0, examples: [], seconds: 0 });

function differ(part: Part, example: unknown): void {
  part.differences += 1;
  if (part.examples.length < SHOWN) part.examples.push(example);
}

/** Each batch has its own seed, which alone gives it again. */
const batchSeed = (type: ModelType, batch: number): number =>
  (SEED * 1_000_003 + MODEL_TYPES.indexOf(type) * 250_007 + batch) | 0;

async function timed(part: Part, work: () => Promise<void>): Promise<void> {
  const start = performance.now();
  await work();
  part.seconds = Math.round((performance.now() - start) / 100) / 10;
}

async function compareTexts(type: ModelType, dir: string, reference: Reference, count: number, part: Part) {
  const { tokenizer } = createRenderer(await openModel(dir));
  const seen = new Set<string>();
  for (let batch = 0; batch * TEXT_BATCH < count; batch += 1) {
    const seed = batchSeed(type, batch);
    const arbitrary = batch % 4 === 3 ? withMarks() : someText();
    const texts = fc.sample(arbitrary, { seed, numRuns: Math.min(TEXT_BATCH, count - batch * TEXT_BATCH) });
    const [theirs, ours] = await Promise.all([
      reference.ask<{ ids: number[][] }>({ kind: "texts", texts }),
      tokenizer.encodeBatch(texts),
    ]);
    if ("error" in theirs) throw new Error(`seed ${seed}: ${theirs.error}`);
    for (const [index, text] of texts.entries()) {
      seen.add(createHash("sha1").update(text, "utf16le").digest("base64").slice(0, 12));
      const [a, b] = [ours[index]!, theirs.ids[index]!];
      if (a.length === b.length && a.every((id, at) => id === b[at])) continue;
      differ(part, { type, seed, index, text, ours: [...a], theirs: b });
    }
    part.compared += texts.length;
  }
  part.distinct += seen.size;
}

async function compareSizes(type: ModelType, dir: string, reference: Reference, count: number, part: Part) {
  const model = await openModel(dir);
  const seen = new Set<string>();
  for (let batch = 0; batch * SIZE_BATCH < count; batch += 1) {
    const seed = batchSeed(type, batch);
    const sizes = fc.sample(someSize(), { seed, numRuns: Math.min(SIZE_BATCH, count - batch * SIZE_BATCH) });
    // Every fifth batch has the processor's own settings.
    const rule = SIZE_RULES[batch % (SIZE_RULES.length + 1)];
    const theirs = await reference.ask<{ sizes: ([number, number] | null)[] }>({
      kind: "sizes",
      sizes,
      rule: python(rule),
    });
    if ("error" in theirs) throw new Error(`seed ${seed}: ${theirs.error}`);
    for (const [index, [width, height]] of sizes.entries()) {
      seen.add(`${width}x${height} ${batch % (SIZE_RULES.length + 1)}`);
      let ours: [number, number] | null;
      if (rule === undefined) {
        const grid = imageGrid({ width, height }, model.processor);
        ours = grid && [grid[2] * model.processor.patchSize, grid[1] * model.processor.patchSize];
      } else {
        const resized = smartResize({ width, height }, rule);
        ours = resized && [resized.width, resized.height];
      }
      const expected = theirs.sizes[index] ?? null;
      if (JSON.stringify(ours) !== JSON.stringify(expected))
        differ(part, { type, seed, width, height, rule, ours, expected });
    }
    part.compared += sizes.length;
  }
  part.distinct += seen.size;
}

async function compareVideoSizes(type: ModelType, reference: Reference, count: number, part: Part) {
  const seen = new Set<string>();
  for (let batch = 0; batch * SIZE_BATCH < count; batch += 1) {
    const seed = batchSeed(type, batch);
    const sizes = fc.sample(someVideoSize(), { seed, numRuns: Math.min(SIZE_BATCH, count - batch * SIZE_BATCH) });
    const rule = SIZE_RULES[batch % SIZE_RULES.length]!;
    const theirs = await reference.ask<{ sizes: ([number, number] | null)[] }>({
      kind: "videoSizes",
      sizes,
      rule: { ...python(rule), temporal_factor: 2 },
    });
    if ("error" in theirs) throw new Error(`seed ${seed}: ${theirs.error}`);
    for (const [index, [frames, width, height]] of sizes.entries()) {
      seen.add(`${frames}x${width}x${height} ${batch % SIZE_RULES.length}`);
      const resized = videoSmartResize(frames, { width, height }, rule, 2);
      const ours = resized && [resized.width, resized.height];
      const expected = theirs.sizes[index] ?? null;
      if (JSON.stringify(ours) !== JSON.stringify(expected))
        differ(part, { type, seed, frames, width, height, rule, ours, expected });
    }
    part.compared += sizes.length;
  }
  part.distinct += seen.size;
}

async function compareChats(type: ModelType, dir: string, reference: Reference, count: number, part: Part) {
  const model = await openModel(dir);
  const arbitrary = fc.record({
    messages: values["without-videos"] ? canonicalMessages() : promptMessages(),
    tools: toolDefinitions(),
    kwargs: fc.constantFrom({}, { enable_thinking: true }, { enable_thinking: false }),
    generationPrompt: fc.boolean(),
  });
  for (let index = 0; index < count; index += 1) {
    const seed = batchSeed(type, index);
    const [chat] = fc.sample(arbitrary, { seed, numRuns: 1 });
    const difference = await compareChat(reference, model, chat!).catch((error: unknown) => String(error));
    part.compared += 1;
    if (difference !== null) differ(part, { type, seed, difference });
  }
  part.distinct = part.compared;
}

function python(rule: (typeof SIZE_RULES)[number] | undefined) {
  return rule && { factor: rule.factor, min_pixels: rule.minPixels, max_pixels: rule.maxPixels };
}

const found = await findReference();
if ("missing" in found) throw new Error(found.missing);
const report: Record<string, Record<string, Part>> = {};
let version: unknown;
for (const type of TYPES) {
  const dir = values.model ?? (await familyDirectory(type));
  const reference = new Reference(found.executable, dir);
  const share = (total: string): number => Math.ceil(Number(total) / TYPES.length);
  const parts = { texts: emptyPart(), sizes: emptyPart(), videoSizes: emptyPart(), chats: emptyPart() };
  report[type] = parts;
  try {
    version = await reference.ask({ kind: "version" });
    await timed(parts.sizes, () => compareSizes(type, dir, reference, share(values.sizes), parts.sizes));
    await timed(parts.videoSizes, () => compareVideoSizes(type, reference, share(values.sizes), parts.videoSizes));
    await timed(parts.chats, () => compareChats(type, dir, reference, share(values.chats), parts.chats));
    await timed(parts.texts, () => compareTexts(type, dir, reference, share(values.texts), parts.texts));
  } finally {
    reference.close();
    if (dir !== values.model) await rm(dir, { recursive: true, force: true });
  }
  process.stderr.write(`${type}: ${JSON.stringify(parts)}\n`);
}
const all = Object.values(report).flatMap((parts) => Object.values(parts));
const differences = all.reduce((sum, part) => sum + part.differences, 0);
console.log(JSON.stringify({ reference: version, seed: SEED, differences, report }, null, 2));
process.exitCode = differences === 0 ? 0 : 1;
