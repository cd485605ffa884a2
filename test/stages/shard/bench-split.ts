/**
 * How long the split and the order of many rows take, and how long they hold the event loop; beside the same work done in
 * one go. Run it with `npx tsx test/stages/shard/bench-split.ts [rows]`.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { sha256 } from "../../../src/base/index.js";
import { sortedIndices } from "../../../src/stages/shard/order.js";
import { splitRows } from "../../../src/stages/shard/split.js";

const count = Number(process.argv[2] ?? "278000");
/** A dialogue a row, every tenth row shares its screenshot with the one before. */
const index = {
  dialogues: Array.from({ length: count }, (_, k) => `dialogue-${k}`),
  images: Array.from({ length: count }, (_, k) => sha256(String(k))),
  rows: Array.from({ length: count }, (_, at) => ({
    file: 0,
    batch: 0,
    at,
    dialogue: at,
    images: at % 10 === 9 ? [at - 1, at] : [at],
    row: 0,
  })),
};

async function measure(name: string, work: () => Promise<unknown>): Promise<void> {
  // Anything before this is over: the delay counts from here.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  // Its first tick must lie before the work, or a pause at the beginning is not seen.
  await new Promise((resolve) => setTimeout(resolve, 20));
  const start = performance.now();
  await work();
  await new Promise((resolve) => setTimeout(resolve, 10));
  delay.disable();
  const seconds = (performance.now() - start) / 1000;
  console.log(`${name.padEnd(24)} ${seconds.toFixed(2)} s, longest pause ${(delay.max / 1e6).toFixed(0)} ms`);
}

await measure("split and order", () => splitRows(index, 0.1, 1));
const { images } = index;
await measure("sort, in pieces", () => sortedIndices(count, (a, b) => (images[a]! < images[b]! ? -1 : 1)));
await measure("sort, in one go", async () => [...images].sort());
