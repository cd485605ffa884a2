/**
 * How long tokenize and validate hold the event loop when single texts have a million characters. Run it with
 * `npx tsx test/stages/tokenize/bench-long.ts [characters] [kind of text]`. A few dialogues for each kind of text, each kind by itself.
 */
import type { Dialogue } from "../../../src/dialogue/index.js";
import { stage as tokenize } from "../../../src/stages/tokenize/index.js";
import { stage as validate } from "../../../src/stages/validate/index.js";
import { type Measured, measured } from "../../measured.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { declare, SYSTEM, text, Workbench } from "./workbench.js";

const size = Number(process.argv[2] ?? "1000000");
const EACH = 2;
/** A row that holds the whole text is the worst case; dropped ones cost less. */
const KEPT = { model: TINY_GUI, maxLength: 8 * size };
const TEXTS: Record<string, string> = {
  words: "Press the button at 12, 345 and wait. ",
  "one letter": "a",
  "line ends": "\n",
  CJK: "\u4e2d\u6587\u5b57",
  marks: "e\u0301\u0323",
};

const bench = await Workbench.open();

function dialogue(number: number, words: string): Dialogue {
  return {
    id: `d${number}`,
    source: { file: "x", line: 1 },
    messages: [
      { role: "system", content: [text(SYSTEM)] },
      { role: "user", content: [text(`${number} ${words.repeat(Math.ceil(size / words.length)).slice(0, size)}.`)] },
      { role: "assistant", content: [text('Done. {"action": "wait"}')] },
    ],
  };
}

const say = (kind: string, what: string, { seconds, pause, held }: Measured): void =>
  console.log(`| ${kind} | ${what} | ${seconds.toFixed(2)} | ${pause.toFixed(0)} | ${held.toFixed(0)} |`);

console.log("| text | work | seconds | longest pause, ms | of it computing |\n|---|---|---|---|---|");
for (const [kind, words] of Object.entries(TEXTS)) {
  if (kind !== (process.argv[3] ?? kind)) continue;
  const sources = Array.from({ length: EACH }, (_, number) => dialogue(number, words));
  const dialogues = await bench.artifact("dialogues", sources);
  const generated = await Promise.all(sources.map((source) => bench.generation(source)));
  const generations = await bench.artifact("generations", generated, { chatTemplateKwargs: {} });
  const rows = await bench.run(tokenize, KEPT, { generations });
  const declared = { model: TINY_GUI, systemPrompt: declare(SYSTEM) };
  const works: [string, () => Promise<unknown>][] = [
    ["tokenize, fixed", () => bench.run(tokenize, { ...KEPT, source: "fixed" }, { dialogues })],
    ["tokenize, ids", () => bench.run(tokenize, KEPT, { generations })],
    ["validate, dialogues", () => bench.run(validate, declared, { dialogues })],
    ["validate, prompts", () => bench.run(validate, declared, { generations })],
    ["validate, with rows", () => bench.run(validate, declared, { generations, rows })],
  ];
  for (const [what, work] of works) say(kind, what, await measured(work));
}
await bench.close();
