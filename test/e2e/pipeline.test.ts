/**
 * The whole way on the real embedded target and server, small: figures, caching, refusal of a wrong system prompt, and
 * kill -9 in the middle of every long step.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Manifest } from "../../src/artifacts/index.js";
import type { DraftsmithEvent } from "../../src/events/index.js";
import { existingPython } from "../../src/trainer-process/index.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { type Finished, ROOT, run, runAndKill } from "./cli.js";

const python = await existingPython().catch(() => null);
const root = scratchDirectory("e2e");
const pipeline = join(root, "small.yaml");
const whole = join(root, "whole");

/** The quickstart itself, with fewer dialogues and training steps. */
const SMALL = ["--set", "vars.dialogues=24", "--set", "steps.train.with.maxSteps=24"];
const TRAIN = ["--set", "steps.train.with.checkpointEvery=6", "--set", "steps.evaluate.with.compareRows=null"];

function command(workspace: string, ...more: string[]): string[] {
  return ["run", pipeline, "--workspace", workspace, "--json", ...SMALL, ...TRAIN, ...more];
}

function manifest(workspace: string, step: string): Manifest {
  return JSON.parse(readFileSync(join(workspace, "steps", step, "manifest.json"), "utf8")) as Manifest;
}

function summaryOf(finished: Finished): Record<string, string> {
  const last = finished.events.find((event) => event.type === "run-finished");
  expect(last, finished.stderr).toBeDefined();
  const rows = last?.type === "run-finished" ? last.summary : [];
  return Object.fromEntries(rows.map(({ label, value }) => [label.replace(/^\w+: /, ""), value]));
}

function progressIn(step: string, atLeast: number): (event: DraftsmithEvent) => boolean {
  return (event) => event.type === "step-progress" && event.step === step && event.done >= atLeast;
}

/** Processes of the trainer that still run with this workspace or its services. */
function trainerProcesses(): string[] {
  const lines = execFileSync("ps", ["-eo", "pid,args"]).toString().split("\n");
  return lines.filter((line) => line.includes("draftsmith_trainer") && line.includes(root));
}

describe.skipIf(python === null)("the quickstart, small (needs the trainer's Python environment)", () => {
  let first: Finished;

  beforeAll(async () => {
    const text = readFileSync(join(ROOT, "pipelines", "quickstart.yaml"), "utf8");
    writeFileSync(pipeline, text.replace("../fixtures", join(ROOT, "fixtures")));
    first = await run(command(whole));
  }, 600_000);

  it("runs to its end with every row accounted for", () => {
    expect(first.code, first.stderr).toBe(0);
    const { read, kept, rejected } = manifest(whole, "import").counts;
    expect(Object.values(rejected ?? {}).reduce((sum, n) => sum + n, 0)).toBe(read! - kept!);
    expect(rejected).toMatchObject({ "image-corrupt": 1, "image-missing": 1, "starts-with-assistant": 1 });
    expect(manifest(whole, "regenerate").counts.kept).toBe(24);
  });

  it("finds every prompt equal to the server's, and every speculative output equal to greedy", () => {
    const summary = summaryOf(first);
    expect(summary["prompts equal between local rendering and server"]).toMatch(/^100 %/);
    const [identical, asked] = /^(\d+) of (\d+)/.exec(summary["speculative output equal to greedy"] ?? "")!.slice(1);
    expect(Number(asked)).toBeGreaterThan(0);
    expect(identical).toBe(asked);
  });

  it("writes cards for the shards and the draft, with what was measured", () => {
    const best = manifest(whole, "train").facts.best as {
      pooledAcceptLength: number;
      interval: [number, number] | null;
    };
    const card = readFileSync(join(whole, "steps", "export", "README.md"), "utf8");
    // A single held-out dialogue has no interval.
    const range = best.interval?.map((value) => value.toFixed(3)).join(" to ") ?? "not measured";
    expect(card).toContain(`| pooled, while training | ${best.pooledAcceptLength.toFixed(3)} | ${range} |`);
    expect(readFileSync(join(whole, "steps", "shard", "README.md"), "utf8")).toContain(
      "| regenerate | dialogues | 24 |",
    );
  });

  it("measures the same accept length offline, step for step in a real loop, and on the server", () => {
    const report = JSON.parse(readFileSync(join(whole, "steps", "evaluate", "evaluation.json"), "utf8"));
    expect(report.comparison.trained.differingSteps).toBe(0);
    expect(report.comparison.trained.equalOutputs).toBe(report.comparison.trained.responses);
    expect(report.served.tokensPerStep / report.drafts.trained.tokensPerStep).toBeCloseTo(1, 2);
    expect(report.drafts.trained.pooledAcceptLength).toBeGreaterThan(report.drafts.untrained.pooledAcceptLength);
  });

  it("has every step cached the second time", async () => {
    const second = await run(command(whole));
    expect(second.code, second.stderr).toBe(0);
    const cached = second.events.filter((event) => event.type === "step-cached");
    expect(cached).toHaveLength(9);
    expect(second.events.some((event) => event.type === "step-started" || event.type === "service")).toBe(false);
  }, 120_000);

  const OTHER = "You operate a computer for the user. Look at the picture.";

  it("is refused before anything runs when two steps of the YAML name different system prompts", async () => {
    const set = `steps.validate.with.systemPrompt={policy: set, text: ${JSON.stringify(OTHER)}}`;
    const refused = await run(command(join(root, "whole"), "--set", set));
    expect(refused.code).toBe(3);
    expect(refused.events.some((event) => event.type === "step-started")).toBe(false);
    expect(refused.stderr).toMatch(
      /regenerate and validate disagree about the system prompt: regenerate \(.*:\d+:\d+\)/,
    );
  }, 120_000);

  it("is refused by validate alone where the answers were given under another system prompt than is declared", async () => {
    const { code, stderr: told } = await run([
      "validate",
      ...["--model", "fixtures/tiny-gui", "--in", `generations=${join(whole, "steps", "regenerate")}`],
      ...["--out", join(root, "alone"), "--system-prompt.policy", "set", "--system-prompt.text", OTHER],
    ]);
    expect(code).toBe(10);
    expect(told).toContain("Look at the picture");
    expect(told).toContain("Look at the screenshot");
    expect(told).toMatch(/first .*token|token \d+/);
  }, 240_000);

  it("ends in the same rows, shards and draft after kill -9 in regenerate, shard and train", async () => {
    const workspace = join(root, "killed");
    await runAndKill(command(workspace), progressIn("regenerate", 5));
    await runAndKill(command(workspace), (event) => event.type === "step-started" && event.step === "shard");
    await runAndKill(command(workspace), progressIn("train", 10));
    const last = await run(command(workspace));
    expect(last.code, last.stderr).toBe(0);
    for (const step of ["regenerate", "tokenize", "shard", "train", "export"]) {
      expect(manifest(workspace, step).files, step).toEqual(manifest(whole, step).files);
    }
    // What a killed command had started ends by itself.
    await expect.poll(trainerProcesses, { timeout: 40_000, interval: 1000 }).toEqual([]);
  }, 900_000);
});
