/**
 * Every target that the toolkit names, the whole way on a tiny random checkpoint in its published file layout: import,
 * regenerate, tokenize, shard, validate, train, export, evaluate. One family a run, in turn; `npm run test:families` for all.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import type { Manifest } from "../../src/artifacts/index.js";
import { type GeneratedTurn, generationSchema } from "../../src/dialogue/index.js";
import { existingPython, packageRoot } from "../../src/trainer-process/index.js";
import { draftsmith } from "../cli/command.js";
import { type Finished, run } from "../e2e/cli.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { parityEnvironment } from "../tokens/reference.js";
import { chosenFamilies } from "./names.js";

const STEPS = 50;
const python = await existingPython().catch(() => null);
const { names, why } = chosenFamilies();
console.log(`families: ${names.join(", ")} (${why})`);

describe.skipIf(python === null).each(names)("%s (needs the trainer's Python environment)", (name) => {
  const root = scratchDirectory(name);
  const workspace = join(root, "run");
  const model = join(root, "model");
  let finished: Finished;

  beforeAll(async () => {
    await mkdir(root, { recursive: true });
    await promisify(execFile)(python!.executable, ["-m", "families", name, model], { env: parityEnvironment() });
    const draft = join(root, "draft.json");
    const made = await draftsmith(root, "draft-config", model, "--layers", "2", "--out", draft);
    expect(made.code, made.stderr).toBe(0);
    finished = await run([
      ...["run", join(packageRoot(), "test", "families", "family.yaml"), "--workspace", workspace, "--json"],
      ...["--set", `vars.model=${model}`, "--set", `vars.draft=${draft}`],
    ]);
    const seconds = finished.events.flatMap((event) =>
      event.type === "step-finished" ? [`${event.step} ${event.seconds.toFixed(1)}`] : [],
    );
    console.log(`${name}: ${finished.seconds.toFixed(0)} s (${seconds.join(", ")})`);
  }, 600_000);

  it("runs to its end, every turn kept and every answer ended by the target itself", () => {
    expect(finished.code, finished.stderr).toBe(0);
    const { kept, read } = manifest("regenerate").counts;
    expect(kept).toBe(read);
    expect(new Set(turns().map(({ finish }) => finish.type))).toEqual(new Set(["stop"]));
  });

  it("says different things to different prompts", () => {
    const texts = turns().map(({ text }) => text);
    const different = new Set(texts).size;
    console.log(`${name}: ${different} different answers of ${texts.length}, such as ${JSON.stringify(texts[0])}`);
    expect(different).toBeGreaterThan(3);
  });

  it(`learns: the loss falls over ${STEPS} steps`, () => {
    const losses = finished.events.flatMap((event) =>
      event.type === "step-metric" && event.step === "train" && event.values.loss !== undefined
        ? [event.values.loss]
        : [],
    );
    expect(losses.length).toBeGreaterThanOrEqual(5);
    const fifth = Math.max(1, Math.floor(losses.length / 5));
    const [first, last] = [mean(losses.slice(0, fifth)), mean(losses.slice(-fifth))];
    console.log(`${name}: loss ${first.toFixed(2)} to ${last.toFixed(2)}`);
    // Both are means of ten steps; the shortest answers, of six words, leave the fewest anchors to learn from.
    expect(last).toBeLessThan(first - 0.2);
  });

  it("has one accept length: offline walk, real loop and server", () => {
    const report = JSON.parse(readFileSync(join(workspace, "steps", "evaluate", "evaluation.json"), "utf8"));
    const { trained, untrained } = report.drafts;
    const { responses, equalOutputs, equalSteps, differingSteps } = report.comparison.trained;
    expect(responses).toBeGreaterThan(3);
    expect([equalOutputs, equalSteps, differingSteps]).toEqual([responses, responses, 0]);
    expect(report.served.identical).toBe(report.served.answers);
    expect(report.served.answers).toBe(responses);
    expect(report.served.steps).toBe(trained.steps);
    expect(report.served.tokensPerStep).toBeCloseTo(trained.tokensPerStep, 12);
    expect(trained.pooledAcceptLength).toBeGreaterThan(untrained.pooledAcceptLength);
    console.log(
      `${name}: accept length ${trained.pooledAcceptLength.toFixed(3)}, untrained ${untrained.pooledAcceptLength.toFixed(3)}, ${responses} answers`,
    );
  });

  it("says at export which engines serve the draft", () => {
    const { engines } = manifest("export").facts as { engines: { engine: string; serves: boolean }[] };
    expect(engines.map(({ engine }) => engine)).toContain("SGLang");
    expect(engines.some(({ serves }) => serves)).toBe(true);
  });

  function turns(): GeneratedTurn[] {
    const text = readFileSync(join(workspace, "steps", "regenerate", "generations.jsonl"), "utf8");
    const lines = text.trim().split("\n");
    return lines.flatMap((line) => generationSchema.parse(JSON.parse(line)).turns);
  }

  function manifest(step: string): Manifest {
    return JSON.parse(readFileSync(join(workspace, "steps", step, "manifest.json"), "utf8")) as Manifest;
  }
});

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
