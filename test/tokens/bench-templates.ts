/**
 * Rendering speed of the template engine against another checkout's, in alternation within one run:
 * `npx tsx test/tokens/bench-templates.ts OTHER_CHECKOUT [ROUNDS]`. Prints renderings a second of both and the median ratio.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { templateMessages, templateTools } from "../../src/tokens/index.js";
import * as ours from "../../src/tokens/template/index.js";
import { promptMessages, toolDefinitions } from "./arbitraries.js";
import { INSTRUCT_TEMPLATE, THINKING_TEMPLATE } from "./templates.js";

type Engine = Pick<typeof ours, "compileTemplate">;

const CHATS = fc.sample(fc.tuple(promptMessages(), toolDefinitions()), { numRuns: 300, seed: 5 });
const TEMPLATES = { instruct: INSTRUCT_TEMPLATE, thinking: THINKING_TEMPLATE };

/** Seconds for all chats; what a template refuses costs time as well. */
function seconds({ compileTemplate }: Engine, source: string): number {
  const template = compileTemplate(source);
  const variables = CHATS.map(([messages, tools]) => ({
    messages: templateMessages(messages),
    tools: templateTools(tools),
    documents: null,
    add_generation_prompt: true,
  }));
  const start = process.hrtime.bigint();
  for (const chat of variables) {
    try {
      template.render(chat);
    } catch {
      // Refusals are part of the work.
    }
  }
  return Number(process.hrtime.bigint() - start) / 1e9;
}

async function main(): Promise<void> {
  const [other, rounds = "40"] = process.argv.slice(2);
  if (other === undefined) throw new Error("usage: bench-templates.ts OTHER_CHECKOUT [ROUNDS]");
  const path = resolve(other, "src/tokens/template/index.ts");
  const theirs = (await import(pathToFileURL(path).href)) as Engine;
  for (const [name, source] of Object.entries(TEMPLATES)) {
    const ratios: number[] = [];
    let [mine, before] = [0, 0];
    for (let round = -5; round < Number(rounds); round += 1) {
      const first = round % 2 === 0;
      const a = seconds(first ? ours : theirs, source);
      const b = seconds(first ? theirs : ours, source);
      // The first rounds warm both engines up.
      if (round < 0) continue;
      const [here, there] = first ? [a, b] : [b, a];
      mine += here;
      before += there;
      ratios.push(there / here);
    }
    ratios.sort((x, y) => x - y);
    const rate = (total: number): string => ((CHATS.length * Number(rounds)) / total).toFixed(0);
    const median = ratios[ratios.length >> 1]!.toFixed(3);
    console.log(`${name}: here ${rate(mine)}/s, there ${rate(before)}/s, median ratio ${median}`);
  }
}

await main();
