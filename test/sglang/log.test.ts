/** A log of the real SGLang imports as the generations that regenerate made of the same answers. */
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import type { HistoryOption } from "../../src/dialogue/index.js";
import { loggedRun } from "../stages/import/logged-run.js";
import { Workbench } from "../stages/tokenize/workbench.js";
import { figure, showFigures } from "./figures.js";
import { MODEL } from "./target.js";

let bench: Workbench;
beforeAll(async () => {
  bench = await Workbench.open();
});
afterAll(async () => {
  showFigures();
  await bench.close();
});

test.each<HistoryOption>(["all", { lastTurns: 1 }, { lastImages: 1, replacement: "[earlier screenshot]" }])(
  "under %j",
  async (history) => {
    const run = await loggedRun(bench, { server: inject("plainServer"), model: MODEL, dialogues: 24, history });
    const name = JSON.stringify(history);
    figure(`log: requests under ${name}, ids in`, `${run.requests}, ${run.idFields.join(" and ")}`);
    figure(`log: generations equal to regenerate's under ${name}`, `${equalOf(run)} of ${run.regenerated.length}`);
    expect(run.requests).toBeGreaterThan(24);
    expect(run.imported).toEqual(run.regenerated);
    expect(run.promptsEqual).toBe(run.requests);
  },
  600_000,
);

function equalOf({ imported, regenerated }: Awaited<ReturnType<typeof loggedRun>>): number {
  return imported.filter((each, at) => JSON.stringify(each) === JSON.stringify(regenerated[at])).length;
}
