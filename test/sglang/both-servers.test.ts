/**
 * The toolkit's own stages against the real SGLang and, with the same dialogues, against the reference server: the same
 * ids row for row. Then the trained and exported draft in SGLang's own DFLASH worker, against the offline walk.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { Manifest } from "../../src/artifacts/index.js";
import { packageRoot, startServer } from "../../src/trainer-process/index.js";
import { run } from "../e2e/cli.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { type Agreement, compareGenerations } from "./agreement.js";
import { figure, showFigures } from "./figures.js";
import { askCut, askHeldOut, type Cut, type HeldOut } from "./held-out.js";
import { startRealServer } from "./real-server.js";
import { MODEL } from "./target.js";

const PIPELINE = join(packageRoot(), "test", "sglang", "both-servers.yaml");

/** Answers ended in the middle of a step, per server. */
const CUTS = 12;

interface Evaluation {
  drafts: Record<string, { pooledAcceptLength: number; tokensPerStep: number; steps: number; correctDrafts: number }>;
  served: {
    answers: number;
    identical: number;
    steps: number;
    correctDrafts: number;
    tokens: number;
    pooledAcceptLength: number;
    tokensPerStep: number;
  };
}

let workspace: string;
let heldOut: HeldOut[];
/** By the fleet of both servers: who answered, and who was asked again. */
const askedAgain: { first: string; second: string; equal: number; turns: number }[] = [];
const cuts: Record<string, Cut[]> = {};

beforeAll(async () => {
  workspace = scratchDirectory("both");
  await pipeline("--until", "thoughts-validation");
  await pipeline("--until", "export");
  const drafted = await startRealServer({ model: MODEL, draft: stepDirectory("export") });
  try {
    await pipeline("--set", `vars.drafted=${drafted.url}`);
    const heldOutOf = {
      shards: stepDirectory("shard"),
      evaluation: stepDirectory("evaluation"),
      imagePadId: JSON.parse(await readFile(join(MODEL, "config.json"), "utf8")).image_token_id,
    };
    heldOut = await askHeldOut({ ...heldOutOf, url: drafted.url });
    cuts.sglang = await askCut({ ...heldOutOf, url: drafted.url }, CUTS);
    const reference = await startServer({ model: MODEL, draft: stepDirectory("export") });
    try {
      cuts.reference = await askCut({ ...heldOutOf, url: reference.url }, CUTS);
    } finally {
      await reference.stop();
    }
  } finally {
    await drafted.stop();
  }
}, 1_800_000);

afterAll(async () => {
  showFigures();
  await rm(workspace, { recursive: true, force: true });
});

describe.each([
  ["answers", "rows", "validation"],
  ["thoughts", "thoughts-rows", "thoughts-validation"],
])("%s", (answers, rows, validation) => {
  test("every dialogue is answered, in several turns with pictures", async () => {
    const { counts } = await manifestOf(answers);
    const { read, kept } = (await manifestOf(answers.startsWith("thoughts") ? "thoughts-import" : "import")).counts;
    expect(counts.kept).toBe(read);
    expect(counts.kept).toBe(kept);
    const { turns, images, laterTurns } = await agreementOf(answers);
    expect(laterTurns).toBeGreaterThan(kept! / 4);
    expect(images).toBeGreaterThan(turns / 2);
  });

  test("the local rendering equals SGLang's prompt ids for every turn", async () => {
    const { counts } = JSON.parse(await readFile(join(stepDirectory(validation), "report.json"), "utf8"));
    figure(
      `${answers}: prompts equal, local and SGLang's`,
      `${counts.promptsEqual} of ${counts.promptsCompared}, asked again ${counts.livePromptsEqual} of ${counts.livePromptsCompared}`,
    );
    expect(counts.turns).toBe((await agreementOf(answers)).turns);
    expect(counts.promptsCompared).toBe(counts.turns);
    expect(counts.promptsEqual).toBe(counts.turns);
    expect(counts.livePromptsCompared).toBe(counts.dialogues);
    expect(counts.livePromptsEqual).toBe(counts.dialogues);
    expect(counts.errors).toBe(0);
  });

  test("prompt and response ids equal the reference server's, turn for turn", async () => {
    const { turns, equalPrompts, equalResponses, tokens, flips } = await agreementOf(answers);
    figure(
      `${answers}: turns equal, SGLang and reference`,
      `prompts ${equalPrompts}, responses ${equalResponses} of ${turns} (${tokens} tokens); flips ${flips.length}`,
    );
    expect(flips).toEqual([]);
    expect(equalPrompts).toBe(turns);
    expect(equalResponses).toBe(turns);
  });

  test.each(["", "-reference"])("every turn asked again gets the same answer%s", async (server) => {
    const { counts } = await manifestOf(`${answers}${server}`);
    const { turns, equal } = counts.recheck as { turns: number; equal: number };
    figure(`${answers}${server}: asked again on the same server`, `${equal} of ${turns} turns equal`);
    expect(turns).toBe((await agreementOf(answers)).turns);
    expect(equal).toBe(turns);
  });

  test("and so the artifacts are the same bytes", async () => {
    for (const step of [answers, rows]) {
      expect((await manifestOf(step)).files, step).toEqual((await manifestOf(`${step}-reference`)).files);
    }
  });
});

test("both servers in one fleet: each turn asked again on the other one, and the same artifact", async () => {
  const { counts, files } = await manifestOf("answers-fleet");
  const { turns, equal } = counts.recheck as { turns: number; equal: number };
  figure("fleet of SGLang and reference: asked again on the other server", `${equal} of ${turns} turns equal`);
  expect(turns).toBe((await agreementOf("answers")).turns);
  expect(equal).toBe(turns);
  expect(askedAgain).toHaveLength(2);
  for (const pair of askedAgain) {
    figure(`fleet: answers of ${pair.first} on ${pair.second}`, `${pair.equal} of ${pair.turns} turns equal`);
    expect(pair.first).not.toBe(pair.second);
    expect(pair.turns).toBeGreaterThan(turns / 8);
  }
  expect(files).toEqual((await manifestOf("answers")).files);
});

describe("the exported draft in SGLang's DFLASH worker", () => {
  test("does not change a greedy answer, on any held-out prompt", async () => {
    const { served } = await evaluation("evaluation");
    figure("draft: SGLang's output equal to greedy", `${served.identical} of ${served.answers} held-out prompts`);
    expect(served.answers).toBeGreaterThanOrEqual(20);
    expect(served.identical).toBe(served.answers);
    for (const { name, expected, got } of heldOut) expect(got, name).toEqual(expected);
  });

  test("takes the steps that the offline walk says, response for response", () => {
    for (const { name, steps, correctInside, offline } of heldOut) {
      expect([steps, correctInside], name).toEqual([offline.length, sum(offline)]);
    }
  });

  test("has the offline accept length, where both count to the end of the answer", async () => {
    const { drafts, served } = await evaluation("evaluation");
    const trained = drafts.trained!;
    const steps = sum(heldOut.map((one) => one.steps));
    const trimmed = 1 + sum(heldOut.map((one) => one.correctInside)) / steps;
    figure(
      "draft: tokens per step",
      `SGLang ${served.tokensPerStep.toFixed(4)}, offline ${trained.tokensPerStep.toFixed(4)}`,
    );
    figure(
      "draft: pooled accept length, to the end of the answer",
      `SGLang ${trimmed.toFixed(4)}, offline ${trained.pooledAcceptLength.toFixed(4)}`,
    );
    figure(
      "draft: 1 + correct / verify_ct, as SGLang counts",
      `${served.pooledAcceptLength.toFixed(4)}, ${percent(served.pooledAcceptLength / trained.pooledAcceptLength - 1)} above offline`,
    );
    expect(trained.pooledAcceptLength).toBeGreaterThan(drafts.untrained!.pooledAcceptLength + 0.3);
    expect(served.steps).toBe(trained.steps);
    expect(served.tokensPerStep).toBeCloseTo(trained.tokensPerStep, 12);
    expect(trimmed).toBeCloseTo(trained.pooledAcceptLength, 12);
  });

  test.each(["sglang", "reference"])("counts drafts behind the end of an answer in full (%s)", (server) => {
    const asked = cuts[server]!;
    expect(new Set(asked.map(({ by }) => by))).toEqual(new Set(["length", "stop id"]));
    for (const { name, by, got, expected, steps, correct, offline } of asked) {
      expect(got, `${name}, by ${by}`).toEqual(expected);
      expect([steps, correct], `${name}, by ${by}`).toEqual([offline.length, sum(offline)]);
    }
    figure(`draft: ended in the middle of a step, ${server}`, `${asked.length} answers, counted as the walk says`);
  });

  test("is counted by the reference server as by SGLang", async () => {
    const [real, reference] = [await evaluation("evaluation"), await evaluation("evaluation-reference")];
    figure(
      "draft: 1 + correct / verify_ct, by the reference server",
      `${reference.served.pooledAcceptLength.toFixed(4)} (${reference.served.correctDrafts} / ${reference.served.steps}; SGLang ${real.served.correctDrafts} / ${real.served.steps})`,
    );
    expect(reference.served).toEqual(real.served);
  });
});

/** Runs the steps that are not up to date; SGLang without a draft is there all the time. */
async function pipeline(...more: string[]): Promise<void> {
  const plain = `vars.plain=${inject("plainServer")}`;
  const finished = await run(["run", PIPELINE, "--workspace", workspace, "--json", "--set", plain, ...more]);
  if (finished.code !== 0) throw new Error(`${more.join(" ")}: exit code ${finished.code}\n${finished.stderr}`);
  for (const event of finished.events) {
    if (event.type === "log" && event.step === "answers-fleet") {
      const pair = /^answers of (\S+) asked again on (\S+): (\d+) of (\d+) turns equal$/.exec(event.message);
      if (pair !== null)
        askedAgain.push({ first: pair[1]!, second: pair[2]!, equal: Number(pair[3]), turns: Number(pair[4]) });
    }
    if (event.type === "step-finished") figure(`seconds: ${event.step}`, event.seconds.toFixed(0));
  }
}

function stepDirectory(step: string): string {
  return join(workspace, "steps", step);
}

async function manifestOf(step: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(stepDirectory(step), "manifest.json"), "utf8"));
}

async function evaluation(step: string): Promise<Evaluation> {
  return JSON.parse(await readFile(join(stepDirectory(step), "evaluation.json"), "utf8"));
}

function agreementOf(step: string): Promise<Agreement> {
  return compareGenerations(stepDirectory(step), stepDirectory(`${step}-reference`));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
