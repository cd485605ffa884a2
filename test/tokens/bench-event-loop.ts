/**
 * How long the event loop stands still while texts are encoded: huge single texts and large batches.
 *
 *   npx tsx test/tokens/bench-event-loop.ts [--bytes 1000000]
 */
import { parseArgs } from "node:util";
import { openModel } from "../../src/model/index.js";
import { createRenderer } from "../../src/tokens/index.js";
import { measured } from "../measured.js";
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

console.log("| case | seconds | longest standstill, ms | of it computing |\n|---|---|---|---|");
for (const [name, texts] of cases) {
  const { tokenizer } = createRenderer(await openModel(TINY_GUI));
  const { seconds, pause, held } = await measured(() => tokenizer.encodeBatch(texts));
  console.log(`| ${name} | ${seconds.toFixed(2)} | ${pause.toFixed(0)} | ${held.toFixed(0)} |`);
}
