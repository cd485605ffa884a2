/** The report of a run: what it says of each step, and that it follows from what was written alone. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { JSDOM } from "jsdom";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { redraw } from "../../src/pipeline/index.js";
import { compareRuns, type RunReport, runReportSchema } from "../../src/pipeline/run-report/index.js";
import { Bench } from "./bench.js";
import { smallStages } from "./small-stages.js";

const CHAIN = `
name: chain
variables: {count: 3}
steps:
  numbers:
    uses: numbers
    with: {count: "\${vars.count}"}
  scale:
    uses: scale
    in: {numbers: numbers}
  sum:
    uses: sum
    in: {scaled: scale}
    with: {label: "the <b>sum</b>"}
`;

let bench: Bench;
beforeEach(() => {
  bench = new Bench(CHAIN);
});
afterEach(() => bench.remove());

function figuresOf(directory: string): RunReport {
  return runReportSchema.parse(JSON.parse(readFileSync(join(directory, "report.json"), "utf8")));
}

/** Rules of axe that need no layout; those of colours are checked on the palette. */
async function faults(file: string): Promise<string[]> {
  const { window } = new JSDOM(readFileSync(file, "utf8"), { runScripts: "outside-only" });
  window.eval(axe.source);
  const run = window.axe as typeof axe;
  const { violations } = await run.run(window.document, { rules: { "color-contrast": { enabled: false } } });
  window.close();
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}

describe("the report of a run", () => {
  it("names what ran, what was cached and why, and what each step kept", async () => {
    await bench.run({ limit: 2 });
    const { directory, report } = await bench.run({ limit: 2, set: ["steps.sum.with.label=total"] });
    expect(report).toBe(join(directory, "report.html"));
    const { outcome, steps } = figuresOf(directory);
    expect(outcome).toBe("done");
    expect(steps.map(({ name, state }) => [name, state])).toEqual([
      ["numbers", "cached"],
      ["scale", "cached"],
      ["sum", "done"],
    ]);
    expect(steps[0]).toMatchObject({ read: 3, kept: 2, rejected: [{ reason: "over-limit", count: 1, examples: [] }] });
    expect(steps[1]!.after).toEqual(["numbers"]);
    expect(steps[2]!.why).toContain("options.label");
    expect(steps[2]!.summary).toEqual([{ label: "total", value: "2" }]);
  });

  it("shows a failure with its message", async () => {
    const { directory } = await bench.run({ set: ["steps.scale.with.failAt=1"] });
    const { outcome, steps } = figuresOf(directory);
    expect(outcome).toBe("failed");
    expect(steps.map(({ state }) => state)).toEqual(["done", "failed", "skipped"]);
    expect(steps[1]!.error).toBe("DATA_EMPTY: cannot scale 1");
    expect(readFileSync(join(directory, "report.html"), "utf8")).toContain("DATA_EMPTY: cannot scale 1");
  });

  it("is drawn again to the same bytes, also after its outputs are gone", async () => {
    const { directory, report } = await bench.run();
    const before = readFileSync(report!, "utf8");
    rmSync(bench.path("ws/steps"), { recursive: true });
    rmSync(report!);
    expect(await redraw(directory, "/", smallStages)).toEqual([report]);
    expect(readFileSync(report!, "utf8")).toBe(before);
  });

  it("is found by its workspace: the last run", async () => {
    await bench.run();
    const { report } = await bench.run();
    expect(await redraw("ws", bench.root, smallStages)).toEqual([report]);
  });

  it("is made for runs from before there were reports", async () => {
    const { directory } = await bench.run();
    for (const name of readdirSync(directory)) {
      if (name.startsWith("report.")) rmSync(join(directory, name));
    }
    expect(await redraw(directory, "/", smallStages)).toEqual([join(directory, "report.html")]);
    expect(figuresOf(directory).steps).toHaveLength(3);
  });

  it("escapes what data says, needs no network and passes an accessibility check", async () => {
    const { report } = await bench.run({ limit: 2 });
    const text = readFileSync(report!, "utf8");
    expect(text).not.toContain("<b>sum</b>");
    expect(text).not.toMatch(/<script|src=|url\(/);
    expect(await faults(report!)).toEqual([]);
  });
});

describe("two runs side by side", () => {
  it("say what differs in settings, data and results", async () => {
    await bench.run({ workspace: "one" });
    await bench.run({ workspace: "other", set: ["vars.count=5", "steps.scale.with.factor=3"] });
    const page = await compareRuns(
      [bench.path("one"), bench.path("other")],
      bench.path("pages/both.html"),
      smallStages,
    );
    const text = readFileSync(page, "utf8");
    const cells = (row: string): string[] => [...row.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map((match) => match[1]!);
    const rows = text.split("<tr>").map(cells);
    expect(rows).toContainEqual(["<code>scale.factor</code>", "2", "3"]);
    expect(rows).toContainEqual(["<code>numbers.count</code>", "3", "5"]);
    expect(rows).toContainEqual(["sum", "the &lt;b&gt;sum&lt;/b&gt;", "6", "30"]);
    expect(await faults(page)).toEqual([]);
  });

  it("needs runs", async () => {
    await expect(compareRuns([bench.root, bench.root], bench.path("x.html"), smallStages)).rejects.toMatchObject({
      code: "INPUT_INVALID",
    });
    await expect(compareRuns([bench.path("no"), bench.root], bench.path("x.html"))).rejects.toMatchObject({
      code: "INPUT_MISSING",
    });
  });
});
