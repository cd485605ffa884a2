/**
 * What worker threads bring to tokenize on this machine: rows per second by the clock for each number of threads, from ids
 * and from fixed dialogues; all give the same bytes or it stops. Run it with
 * `npx tsx test/stages/tokenize/bench-threads.ts [dialogues] [threads,...]`. One 1080p screenshot and 1 KB of text a row.
 */
import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { openModel } from "../../../src/model/index.js";
import { stage as tokenize } from "../../../src/stages/tokenize/index.js";
import { createRenderer } from "../../../src/tokens/index.js";
import { measured, pausesOf } from "../../measured.js";
import { largeModel, screenDialogue } from "./bench-rows.js";
import { Workbench } from "./workbench.js";

const count = Number(process.argv[2] ?? "20000");
const numbers = (process.argv[3] ?? "0,1,2,4,8,12").split(",").map(Number);
/** Generations differ in their ids alone, so that so many are enough to make the rest from. */
const DISTINCT = 500;

const bench = await Workbench.open();
const model = await largeModel(bench);
const renderer = createRenderer(await openModel(model));

const sources = Array.from({ length: count }, (_, number) => screenDialogue(number));
const some: object[] = [];
for (const source of sources.slice(0, DISTINCT)) some.push(await bench.generation(source, renderer));
const generated = sources.map(({ id }, number) => ({ ...some[number % some.length], id }));
const works = {
  ids: {
    options: {},
    inputs: { generations: await bench.artifact("generations", generated, { chatTemplateKwargs: {} }) },
  },
  fixed: { options: { source: "fixed" }, inputs: { dialogues: await bench.artifact("dialogues", sources) } },
};

console.log(`${availableParallelism()} cores, ${count} dialogues`);
for (const [source, { options, inputs }] of Object.entries(works)) {
  let wanted: string | undefined;
  let alone = 0;
  for (const threads of numbers) {
    let digest = "";
    const found = await measured(async () => {
      const made = await bench.run(tokenize, { model, threads, ...options }, inputs);
      digest = made.manifest.digest;
      await rm(made.path, { recursive: true });
    });
    wanted ??= digest;
    if (digest !== wanted) throw new Error(`${source}: ${threads} threads give other bytes`);
    const rate = count / found.seconds;
    if (alone === 0) alone = rate;
    const cores = (found.cpuSeconds / found.seconds).toFixed(1);
    console.log(
      `${source.padEnd(6)} ${String(threads).padStart(3)} threads ${rate.toFixed(0).padStart(7)} rows/s x ${(rate / alone).toFixed(2)}, ${cores} cores busy, ${pausesOf(found)}`,
    );
  }
}
await bench.close();
