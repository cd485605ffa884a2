/**
 * Whether memory and rate stay as they are over very many rows. Run it with
 * `npx tsx test/stages/tokenize/bench-million.ts [rows] [threads] [keep|drop]`; the last is what becomes of duplicates.
 * Rows have one small screenshot (60 image tokens) so that a million of them need about 3 GB of disk; they are removed.
 */
import { createWriteStream } from "node:fs";
import { mkdir, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { sealDirectory } from "../../../src/artifacts/index.js";
import { stage as tokenize } from "../../../src/stages/tokenize/index.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { dialogue, Workbench } from "./workbench.js";

const [count = 1_000_000, threads = 0] = process.argv.slice(2, 4).map(Number);
const duplicates = process.argv[4] ?? "keep";
const TEMPLATES = 500;
const SAMPLES = 20;

const bench = await Workbench.open();
const { bavail, bsize } = await statfs(bench.root);
if (bavail * bsize < count * 5000)
  throw new Error(`about ${Math.round((count * 5000) / 1e9)} GB of free disk are needed`);
const lines: string[] = [];
for (let k = 0; k < TEMPLATES; k += 1) lines.push(JSON.stringify(await bench.generation(dialogue(`d${k}`, 1))));
const directory = join(bench.root, "many");
await mkdir(directory);
function* rows(): Generator<string> {
  for (let k = 0; k < count; k += 1)
    yield `{"id":"row-${k}"${lines[k % TEMPLATES]!.slice(lines[k % TEMPLATES]!.indexOf(","))}\n`;
}
await pipeline(rows, createWriteStream(join(directory, "generations.jsonl")));
const manifest = await sealDirectory({
  directory,
  kind: "generations",
  producer: { stage: "bench", version: "0", options: {} },
  inputs: {},
  draft: { counts: { kept: count }, facts: { chatTemplateKwargs: {} } },
});

const samples: { done: number; seconds: number; rss: number }[] = [];
const start = performance.now();
const workDir = join(bench.root, "work");
await mkdir(workDir);
const context = {
  step: "tokenize",
  events: {
    emit: (event: { type: string; done?: number }) => {
      if (event.type !== "step-progress" || event.done! % Math.ceil(count / SAMPLES) !== 0) return;
      samples.push({ done: event.done!, seconds: (performance.now() - start) / 1000, rss: process.memoryUsage().rss });
    },
  },
  signal: new AbortController().signal,
  workDir,
  resumeDir: workDir,
  limit: undefined,
};
const cpu = process.cpuUsage();
const options = tokenize.options.parse({ model: TINY_GUI, threads, duplicates });
const draft = await tokenize.run(
  options,
  { generations: { path: directory, manifest }, dialogues: undefined },
  context,
);
const { user, system } = process.cpuUsage(cpu);
const seconds = (performance.now() - start) / 1000;
let before = { done: 0, seconds: 0 };
for (const sample of samples) {
  const rate = (sample.done - before.done) / (sample.seconds - before.seconds);
  console.log(
    `${String(sample.done).padStart(9)} rows ${sample.seconds.toFixed(1).padStart(7)} s ${rate.toFixed(0).padStart(6)} rows/s ${(sample.rss / 2 ** 20).toFixed(0).padStart(5)} MiB`,
  );
  before = sample;
}
console.log(
  JSON.stringify({
    rows: count,
    threads,
    duplicates,
    kept: draft.counts.kept,
    seconds: Number(seconds.toFixed(1)),
    rowsPerCpuSecond: Math.round(count / ((user + system) / 1e6)),
    peakMiB: Math.round(Math.max(...samples.map(({ rss }) => rss)) / 2 ** 20),
    inputGB: Number(((await stat(join(directory, "generations.jsonl"))).size / 1e9).toFixed(2)),
  }),
);
await rm(bench.root, { recursive: true });
