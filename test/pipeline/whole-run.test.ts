/** The dry run of a whole pipeline whose data is not there: figures stated under `expect` stand in, and are added up. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { allStages, dryRun, formatDryRun, SERVICE_TYPES } from "../../src/pipeline/index.js";
import { wholeRun } from "../../src/pipeline/whole-run.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { findReference, TINY_GUI } from "../tokens/reference.js";

const LARGE = join(import.meta.dirname, "../../pipelines/regenerate-278k.yaml");
const real = { stages: allStages, services: SERVICE_TYPES };

async function dry(set: string[], file = LARGE) {
  const found = await dryRun({ file, workspace: scratchDirectory("whole"), set, ...real });
  const step = (name: string) => found.steps.find((each) => each.name === name)!;
  return { text: formatDryRun(found), step };
}

describe("the large pipeline", () => {
  it("states hours and bytes of the run by what it expects, and says which rates are assumed", async () => {
    const { text, step } = await dry([]);
    // 278,000 dialogues of 3 turns of 600 tokens, 128 in flight at 30 tokens/s.
    expect(step("regenerate").hours).toBeCloseTo((278_000 * 3 * 600) / (128 * 30) / 3600);
    expect(step("regenerate").estimate.join("\n")).toContain(
      "30 tokens/s for each dialogue in flight, which is assumed",
    );
    // 3 images of 400 kB a dialogue, in the import and again in the shards; 3 rows of 3,000 tokens of 6 bytes.
    const images = 278_000 * 3 * 400_000;
    expect(step("import").diskBytes).toBeCloseTo(images + 278_000 * 4000);
    expect(step("tokenize").diskBytes).toBe(278_000 * 3 * 3000 * 6);
    expect(step("shard").diskBytes).toBe(images + 278_000 * 3 * (3000 * 6 + 400));
    expect(text).toMatch(/time of the whole run: about \d+ hours \(import .*, regenerate .*\)/);
    expect(text).toMatch(/without shard, validate, train, export, evaluate, which give no estimate of it/);
    expect(text).toMatch(/disk of the whole run: about 716\.\d GB/);
  });

  it("takes a measured rate, other figures and a limit", async () => {
    const measured = await dry(["expect.answerTokensPerSecond=9000", "expect.turns=2"]);
    expect(measured.step("regenerate").hours).toBeCloseTo((278_000 * 2 * 600) / 9000 / 3600);
    expect(measured.step("regenerate").estimate.join("\n")).toContain("9000 answer tokens/s of all servers together");
    const workspace = scratchDirectory("whole");
    const small = await dryRun({ file: LARGE, workspace, limit: 200, ...real });
    expect(small.steps.find(({ name }) => name === "shard")!.diskBytes).toBe(200 * 3 * 400_000 + 200 * 3 * 18_400);
  });

  it("serves the thinking model by default, and the instruct model by one variable", async () => {
    const { step } = await dry([]);
    expect(step("regenerate").notes.join()).toContain("Qwen3-VL-30B-A3B-Thinking does not exist");
    const instruct = await dry(["vars.target=${vars.instruct}"]);
    for (const name of ["regenerate", "tokenize", "validate", "train", "export", "evaluate"]) {
      expect(instruct.step(name).notes.join()).toContain("Qwen3-VL-30B-A3B-Instruct does not exist");
      expect(instruct.step(name).notes.join()).not.toContain("Thinking");
    }
  });

  it("refuses a figure that it does not know", async () => {
    const file = join(scratchDirectory("whole"), "p.yaml");
    writeFileSync(file, readFileSync(LARGE, "utf8").replace("  imageBytes:", "  imageByte:"));
    await expect(dry([], file)).rejects.toThrow(/imageByte/);
  });
});

const trainer = await findReference();

describe.skipIf("missing" in trainer)("a target that is there", () => {
  it("adds training by the trainer's plan, and its checkpoints", async () => {
    const { step, text } = await dry([
      `vars.target={model: ${TINY_GUI}, serves: t, thinking: default, maxNewTokens: 64, maxPrompt: 3000, maxLength: 4096}`,
    ]);
    const train = step("train");
    expect(train.estimate.join("\n")).toContain(
      "834,000 rows of 3,000 tokens, 600 supervised, 2.0 pictures are expected",
    );
    expect(train.hours).toBeGreaterThan(0);
    expect(train.diskBytes).toBeGreaterThan(1e6);
    expect(train.estimate.join("\n")).toMatch(/disk: about .* for states and drafts/);
    expect(text).toMatch(/time of the whole run: .*train \d/);
  });
});

it("the sum is only as long as what is known", () => {
  expect(wholeRun([{ name: "a" }])).toEqual([]);
  expect(
    wholeRun([
      { name: "a", hours: 2 },
      { name: "b", diskBytes: 3e9 },
      { name: "c", hours: 0.5 },
    ]),
  ).toEqual([
    "time of the whole run: about 2.5 hours (a 2.0 hours, c 30 minutes)",
    "  without b, which give no estimate of it",
    "disk of the whole run: about 3.0 GB (b 3.0 GB)",
  ]);
});
