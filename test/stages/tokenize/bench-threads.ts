/**
 * What worker threads bring to tokenize on this machine: rows per second by the clock for each number of threads, from ids
 * and from fixed dialogues; all give the same bytes or it stops. Run it with
 * `npx tsx test/stages/tokenize/bench-threads.ts [dialogues] [threads,...]`. One 1080p screenshot and 1 KB of text a row.
 */
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "../../../src/base/index.js";
import type { Dialogue } from "../../../src/dialogue/index.js";
import { openModel } from "../../../src/model/index.js";
import { stage as tokenize } from "../../../src/stages/tokenize/index.js";
import { createRenderer } from "../../../src/tokens/index.js";
import { measured, pausesOf } from "../../measured.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { picture, SYSTEM, text, Workbench } from "./workbench.js";

const count = Number(process.argv[2] ?? "20000");
const numbers = (process.argv[3] ?? "0,1,2,4,8,12").split(",").map(Number);
/** Generations differ in their ids alone, so that so many are enough to make the rest from. */
const DISTINCT = 500;

const bench = await Workbench.open();
// Qwen3-VL's pixel limits: a 1080p screenshot becomes 2,040 tokens.
const model = join(bench.root, "model");
await mkdir(model);
await cp(TINY_GUI, model, { recursive: true, filter: (path) => !path.endsWith(".safetensors") });
const settings = join(model, "preprocessor_config.json");
const json = JSON.parse(await readFile(settings, "utf8")) as JsonObject;
await writeFile(settings, JSON.stringify({ ...json, size: { shortest_edge: 65_536, longest_edge: 16_777_216 } }));
const renderer = createRenderer(await openModel(model));

function dialogue(number: number): Dialogue {
  const words = `The window shows ${number} entries; "Save as" lies beside the field at ${number % 997}. `.repeat(6);
  return {
    id: `d${number}`,
    source: { file: "x", line: 1 },
    messages: [
      { role: "system", content: [text(SYSTEM)] },
      { role: "user", content: [picture(number, 1920, 1080), text(words)] },
      { role: "assistant", content: [text(`${words.slice(0, 300)} {"action": "click", "at": [${number % 1000}, 5]}`)] },
    ],
  };
}

const sources = Array.from({ length: count }, (_, number) => dialogue(number));
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
