/**
 * How fast tokenize and validate are, per CPU second and by the clock, and how long they hold the event loop.
 * Run it with `npx tsx test/stages/tokenize/bench.ts [dialogues]`. One 1080p screenshot and about 1 KB of text a row.
 * With a Python that has transformers it also measures what others do for a row, on the same dialogues in the same run.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import sharp from "sharp";
import { openModel } from "../../../src/model/index.js";
import { stage as tokenize } from "../../../src/stages/tokenize/index.js";
import { stage as validate } from "../../../src/stages/validate/index.js";
import { createRenderer } from "../../../src/tokens/index.js";
import { existingPython } from "../../../src/trainer-process/index.js";
import { measured, pausesOf } from "../../measured.js";
import { parityEnvironment } from "../../tokens/reference.js";
import { largeModel, screenDialogue } from "./bench-rows.js";
import { declare, SYSTEM, Workbench } from "./workbench.js";

const count = Number(process.argv[2] ?? "4000");
const bench = await Workbench.open();

/** @returns rows per CPU second, and by the clock */
async function measure(name: string, work: () => Promise<unknown>): Promise<{ cpu: number; clock: number }> {
  const found = await measured(work);
  const { seconds, cpuSeconds } = found;
  const rss = Math.round(process.memoryUsage().rss / 1e6);
  console.log(
    `${name.padEnd(22)} ${(count / cpuSeconds).toFixed(0).padStart(6)} rows per CPU second, ${(count / seconds).toFixed(0).padStart(6)} rows/s, ` +
      `${pausesOf(found)}, ${rss} MB`,
  );
  return { cpu: count / cpuSeconds, clock: count / seconds };
}

/** Rows per CPU second of other ways to make a row; undefined without Python. */
async function others(model: string, dialogues: string): Promise<Record<string, number> | undefined> {
  const python = await existingPython();
  if (python === null) return undefined;
  const png = join(bench.root, "screen.png");
  const noise = { type: "gaussian" as const, mean: 200, sigma: 8 };
  await sharp({ create: { width: 1920, height: 1080, channels: 3, background: "#fff", noise } })
    .png()
    .toFile(png);
  const args = ["-m", "parity.rates", model, dialogues, png, "200"];
  const env = parityEnvironment();
  const { status, stdout, stderr } = spawnSync(python.executable, args, { env, encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, number>;
}

const model = await largeModel(bench);
const renderer = createRenderer(await openModel(model));
const sources = Array.from({ length: count }, (_, number) => screenDialogue(number));
const generations: unknown[] = [];
for (const source of sources) generations.push(await bench.generation(source, renderer));
const dialogues = await bench.artifact("dialogues", sources);
const input = await bench.artifact("generations", generations, { chatTemplateKwargs: {} });
let rows = await bench.run(tokenize, { model }, { generations: input }, { limit: 10 });
const ids = await measure("tokenize, ids", async () => {
  rows = await bench.run(tokenize, { model, threads: 0 }, { generations: input });
});
const fixed = await measure("tokenize, fixed", () =>
  bench.run(tokenize, { model, source: "fixed", threads: 0 }, { dialogues }),
);
const idsThread = await measure("ids, 1 thread more", () =>
  bench.run(tokenize, { model, threads: 1 }, { generations: input }),
);
const fixedThread = await measure("fixed, 1 thread more", () =>
  bench.run(tokenize, { model, source: "fixed", threads: 1 }, { dialogues }),
);
const ratio = (one: number, other: number): string => (one / other).toFixed(2);
console.log(
  `by the clock, with one more thread: ids x ${ratio(idsThread.clock, ids.clock)}, fixed x ${ratio(fixedThread.clock, fixed.clock)}`,
);
for (const [way, rate] of Object.entries((await others(model, join(dialogues.path, "dialogues.jsonl"))) ?? {})) {
  console.log(
    `${way.padEnd(22)} ${rate.toFixed(1).padStart(6)} rows per CPU second in Python: fixed is x ${ratio(fixed.cpu, rate)}, ids x ${ratio(ids.cpu, rate)}`,
  );
}
await measure("validate, prompts", () =>
  bench.run(validate, { model, systemPrompt: declare(SYSTEM) }, { generations: input }),
);
await measure("validate, with rows", () =>
  bench.run(validate, { model, systemPrompt: declare(SYSTEM) }, { generations: input, rows }),
);
await bench.close();
