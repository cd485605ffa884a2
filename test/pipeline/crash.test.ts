import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bench } from "./bench.js";
import { startChild } from "./child.js";

const SLOW = `
name: slow
services: {word: {uses: word}}
steps:
  numbers: {uses: numbers, with: {count: 40}}
  scale: {uses: scale, in: {numbers: numbers}, with: {pauseMs: 25}}
  ask: {uses: fetch-word, in: {after: scale}, with: {server: "\${services.word.url}"}}
  sum: {uses: sum, in: {scaled: scale}}
`;
/** 0 + 2 + ... + 78 */
const TOTAL = "1560\n";

let bench: Bench;
beforeEach(() => {
  bench = new Bench(SLOW);
});
afterEach(() => bench.remove());

describe("a killed run", () => {
  it("within a step keeps the step's journal, and the next run finishes with the same bytes", async () => {
    const child = startChild(bench.root);
    await child.says("step-progress scale 10");
    child.signal("SIGKILL");
    expect(await child.exit).toMatchObject({ signal: "SIGKILL" });
    expect(existsSync(bench.path("ws/lock"))).toBe(true);
    const [journal] = readdirSync(bench.path("ws/resume"));
    const half = bench.read(`ws/resume/${journal}/journal.txt`).split("\n").length - 1;
    expect(half).toBeGreaterThanOrEqual(10);
    expect(half).toBeLessThan(40);

    const { outcome, ran, cached, events } = await bench.run();
    expect({ outcome, ran, cached }).toEqual({ outcome: "done", ran: ["scale", "ask", "sum"], cached: ["numbers"] });
    expect(bench.read("ws/steps/sum/sum.txt")).toBe(TOTAL);
    // Work that the killed run had done is not done again.
    const first = events.find((event) => event.type === "step-progress" && event.step === "scale");
    expect(first).toMatchObject({ done: half + 1 });
    expect(readdirSync(bench.path("ws/resume"))).toEqual([]);
    expect(readdirSync(bench.path("ws/work"))).toEqual([]);
    await bench.run({ workspace: "calm" });
    for (const step of ["numbers", "scale", "ask", "sum"]) {
      expect(bench.read(`ws/steps/${step}/manifest.json`)).toBe(bench.read(`calm/steps/${step}/manifest.json`));
    }
  });

  it("between steps keeps every finished step", async () => {
    const child = startChild(bench.root, "steps.scale.with.pauseMs=0");
    await child.says("step-finished scale");
    child.signal("SIGKILL");
    await child.exit;
    const { cached, outcome } = await bench.run();
    expect(outcome).toBe("done");
    expect(cached.slice(0, 2)).toEqual(["numbers", "scale"]);
  });

  it("between the two renames of sealing loses neither the old nor the new output", async () => {
    await bench.run({ set: ["steps.scale.with.pauseMs=0"] });
    // As after a crash just before the second rename: the new output is sealed in work/, the old one was moved aside.
    renameSync(bench.path("ws/steps/sum"), bench.path("ws/work/new-sum"));
    expect((await bench.run()).cached).toContain("sum");
    // And after a crash before the manifest was written: nothing that looks finished.
    mkdirSync(bench.path("ws/work/new-scale"));
    writeFileSync(bench.path("ws/work/new-scale/scaled.txt"), "half");
    expect((await bench.run()).ran).toEqual([]);
    expect(readdirSync(bench.path("ws/work"))).toEqual([]);
  });
});

describe("Ctrl-C", () => {
  it("stops the step, exits with 130, and the same command continues", async () => {
    const child = startChild(bench.root);
    await child.says("step-progress scale 5");
    child.signal("SIGINT");
    expect(await child.exit).toMatchObject({ code: 130 });
    expect(child.lines).toContain("step-failed scale");
    expect(child.lines).toContain("step-skipped sum");
    expect(child.lines.at(-1)).toBe("outcome interrupted");
    expect(existsSync(bench.path("ws/lock"))).toBe(false);

    const again = startChild(bench.root);
    expect(await again.exit).toMatchObject({ code: 0 });
    expect(again.lines.find((line) => line.startsWith("step-progress scale"))).not.toBe("step-progress scale 1");
    expect(bench.read("ws/steps/sum/sum.txt")).toBe(TOTAL);
  });

  it("as a scheduler's warning stops the step too, and the SIGTERM behind it does not cut the saving short", async () => {
    const child = startChild(bench.root, "steps.scale.with.pauseMs=1500");
    await child.says("step-started scale");
    for (const name of ["SIGUSR1", "SIGUSR1", "SIGTERM"] as const) child.signal(name);
    expect(await child.exit).toMatchObject({ code: 130 });
    expect(child.lines.at(-1)).toBe("outcome interrupted");
  });

  it("stops services", async () => {
    const child = startChild(
      bench.root,
      "steps.scale.with.pauseMs=0",
      "steps.ask.with.dieAfterMs=60000",
      "services.word.with.deathless=true",
    );
    await child.says("step-started ask");
    child.signal("SIGTERM");
    expect(await child.exit).toMatchObject({ code: 130 });
    expect(child.lines).toContain("service stopped");
  });

  it("pressed twice ends at once", async () => {
    const child = startChild(bench.root, "steps.scale.with.pauseMs=20000");
    await child.says("step-started scale");
    child.signal("SIGINT");
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.signal("SIGINT");
    const began = performance.now();
    expect(await child.exit).toMatchObject({ code: 130 });
    expect(performance.now() - began).toBeLessThan(5000);
    expect((await bench.run({ set: ["steps.scale.with.pauseMs=0"] })).outcome).toBe("done");
  });
});

describe("the lock", () => {
  it("keeps a second run out while the first lives, and lets it in afterwards", async () => {
    const child = startChild(bench.root);
    await child.says("step-started scale");
    await expect(bench.run()).rejects.toMatchObject({
      code: "USAGE",
      message: expect.stringContaining("another run (process ") as string,
    });
    // Looking is allowed at any time.
    expect((await bench.dry()).steps).toHaveLength(4);
    child.signal("SIGINT");
    await child.exit;
    expect((await bench.run()).outcome).toBe("done");
  });

  it("is not fooled by a number that now belongs to another process", async () => {
    bench.write(
      "ws/lock",
      JSON.stringify({ pid: process.pid, host: (await import("node:os")).hostname(), started: "12" }),
    );
    expect((await bench.run({ set: ["steps.scale.with.pauseMs=0"] })).outcome).toBe("done");
  });

  it("believes a holder on another machine, and ignores rubbish", async () => {
    bench.write("ws/lock", JSON.stringify({ pid: 1, host: "elsewhere", started: "12" }));
    await expect(bench.run()).rejects.toMatchObject({ message: expect.stringContaining("on elsewhere") as string });
    bench.write("ws/lock", "rubbish");
    expect((await bench.run({ set: ["steps.scale.with.pauseMs=0"] })).outcome).toBe("done");
  });
});
