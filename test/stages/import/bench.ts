/**
 * What a large import costs: rows per second, memory over time, and how long the event loop is held.
 * Run it with `npx tsx test/stages/import/bench.ts [rows] [distinct pictures]`; needs about 1 KB of disk a row.
 */
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate as breath } from "node:timers/promises";
import sharp from "sharp";
import { importOptionsSchema } from "../../../src/stages/import/options.js";
import { runImport } from "../../../src/stages/import/run.js";
import { scratchDirectory } from "../../scratch/scratch.js";
import { row } from "./world.js";

const rows = Number(process.argv[2] ?? "278000");
const distinct = Number(process.argv[3] ?? "200");
const top = scratchDirectory("bench-import");

/** A few hundred bytes whose pixels follow from the number. */
async function dataUri(number: number): Promise<string> {
  const data = Buffer.alloc(16 * 16 * 3, number & 255);
  data.writeUInt32LE(number, 0);
  const png = await sharp(data, { raw: { width: 16, height: 16, channels: 3 } })
    .png()
    .toBuffer();
  return `data:image/png;base64,${png.toString("base64")}`;
}

const source = join(top, "rows.jsonl");
const file = createWriteStream(source);
const few = distinct < rows ? await Promise.all(Array.from({ length: distinct }, (_, k) => dataUri(k))) : [];
for (let number = 0; number < rows; number += 1) {
  const picture = few[number % distinct] ?? (await dataUri(number));
  if (!file.write(`${JSON.stringify(row(`row-${number}`, picture))}\n`)) {
    await new Promise<void>((resolve) => file.once("drain", () => resolve()));
  }
}
await new Promise<void>((resolve) => file.end(() => resolve()));

const started = performance.now();
const rss = () => Math.round(process.memoryUsage().rss / 1e6);
const delay = monitorEventLoopDelay({ resolution: 2 });
let next = 0;
let lastDone = 0;
let lastAt = started;
const before = rss();
delay.enable();
await breath();
await runImport(importOptionsSchema.parse({ source: [source] }), {
  step: "import",
  events: {
    emit: (event) => {
      if (event.type !== "step-progress" || event.done < next) return;
      next = event.done + rows / 8;
      const now = performance.now();
      const rate = ((event.done - lastDone) / (now - lastAt)) * 1000;
      const pause = (delay.max / 1e6).toFixed(0);
      console.log(
        `${String(event.done).padStart(8)} rows: ${rate.toFixed(0).padStart(6)} rows/s, ${rss()} MB, longest pause so far ${pause} ms`,
      );
      [lastDone, lastAt] = [event.done, now];
    },
  },
  signal: new AbortController().signal,
  workDir: await mkdtemp(join(top, "work-")),
  resumeDir: await mkdtemp(join(top, "resume-")),
  limit: undefined,
});
delay.disable();
const seconds = (performance.now() - started) / 1000;
console.log(
  `${rows} rows, ${distinct} distinct pictures: ${(rows / seconds).toFixed(0)} rows/s, ${before} MB before, ${rss()} MB after, ` +
    `longest pause of the event loop ${(delay.max / 1e6).toFixed(0)} ms`,
);
await rm(top, { recursive: true });
