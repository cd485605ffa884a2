/**
 * How long the event loop stands still while texts are encoded: huge single texts and large batches.
 *
 *   npx tsx test/tokens/bench-event-loop.ts [--bytes 1000000]
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { openModel } from "../../src/model/index.js";
import { createRenderer } from "../../src/tokens/index.js";
import { TINY_GUI } from "./reference.js";

const { values } = parseArgs({ options: { bytes: { type: "string", default: "1000000" } } });
const SIZE = Number(values.bytes);
const fill = (piece: string): string => piece.repeat(Math.ceil(SIZE / piece.length)).slice(0, SIZE);
const cases: [string, string[]][] = [
  ["words", [fill("Press the button at 12, 345 and wait. ")]],
  ["one letter", [fill("a")]],
  ["spaces", [fill(" ")]],
  ["line ends", [fill("\n")]],
  ["CJK", [fill("\u4e2d\u6587\u5b57")]],
  ["marks", [fill("e\u0301\u0323")]],
  ["punctuation", [fill("!?")]],
  ["added tokens", [fill("<|im_start|>")]],
  ["emoji", [fill("\ud83d\udc68\u200d\ud83d\udc69")]],
  [
    "batch of 2,000 texts of 2 kB",
    Array.from({ length: 2000 }, (_, at) => `${at} ${"Press the button. ".repeat(110)}`),
  ],
];

console.log("| case | seconds | longest standstill, ms |\n|---|---|---|");
for (const [name, texts] of cases) {
  const { tokenizer } = createRenderer(await openModel(TINY_GUI));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  await sleep(20);
  delay.enable();
  const start = performance.now();
  await tokenizer.encodeBatch(texts);
  const seconds = (performance.now() - start) / 1000;
  await sleep(20);
  delay.disable();
  console.log(`| ${name} | ${seconds.toFixed(2)} | ${(delay.max / 1e6).toFixed(0)} |`);
}
