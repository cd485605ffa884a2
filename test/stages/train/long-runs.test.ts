/** An interrupted or killed training through the toolkit: what continues it, what is refused, and what is said of a death. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DraftsmithError } from "../../../src/base/index.js";
import type { DraftsmithEvent } from "../../../src/events/index.js";
import { type Fingerprint, resumeDigest } from "../../../src/pipeline/fingerprint.js";
import { allStages, runStage } from "../../../src/pipeline/index.js";
import { trainOptionsSchema } from "../../../src/stages/train/options.js";
import { describeEnd } from "../../../src/trainer-process/child.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { Workbench } from "../tokenize/workbench.js";
import { trainShards } from "./train-shards.js";

let bench: Workbench;
beforeEach(async () => {
  bench = await Workbench.open();
});
afterEach(() => bench.close());

const OPTIONS = {
  model: TINY_GUI,
  draft: { layers: 1, blockSize: 4, intermediateSize: 64 },
  ...{ batchSize: 2, maxSteps: 400, epochs: 900, anchors: 8, device: "cpu", threads: 1, checkpointEvery: 5 },
};

describe("the resume directory", () => {
  const digest = async (options: object): Promise<string> => {
    const stage = await allStages.load("train");
    const parsed = trainOptionsSchema.parse({ model: "m", ...options });
    const kept = Object.entries(parsed).filter(([name]) => stage.neutralOptions?.includes(name) !== true);
    return resumeDigest(stage, { options: Object.fromEntries(kept) } as Fingerprint);
  };

  it.each([
    { maxMinutes: 30 },
    { device: "cpu" },
    { attention: "sdpa" },
    { threads: 3 },
    { processes: 4, nodes: 2, nodeRank: 0, rendezvous: "a:1" },
    { batchSize: 1, accumulate: 2 },
    { keepLast: 3, keepEvery: 100 },
    { checkpointEvery: 7, stateCacheMb: 0, onConflict: "restart", maxSkipped: 1 },
  ])("is the same with %j", async (options) => {
    expect(await digest(options)).toBe(await digest({}));
  });

  it.each([{ lr: 1e-3 }, { epochs: 1 }, { seed: 1 }, { schedule: "linear" }, { anchors: 3 }])(
    "is another with %j",
    async (options) => {
      expect(await digest(options)).not.toBe(await digest({}));
    },
  );
});

it("the system's killer is told from a request to stop and from a bug", () => {
  expect(describeEnd(null, "SIGKILL")).toContain("was killed by SIGKILL, most likely by the out-of-memory killer");
  expect(describeEnd(null, "SIGSEGV")).toBe("was killed by SIGSEGV");
  expect(describeEnd(3, null)).toBe("ended with exit code 3");
});

/** Runs the stage and hands over its events; `watch` sees each of them. */
async function train(
  shards: string,
  options: object,
  watch: (event: DraftsmithEvent) => void = () => undefined,
  signal: AbortSignal = new AbortController().signal,
) {
  const events: DraftsmithEvent[] = [];
  const emit = (event: DraftsmithEvent): void => {
    events.push(event);
    watch(event);
  };
  const request = { options: { ...OPTIONS, ...options }, inputs: { shards }, out: join(bench.root, "out"), signal };
  const run = runStage({ stage: await allStages.load("train"), events: { emit }, ...request });
  const error = await run.then(
    () => undefined,
    (reason: DraftsmithError) => reason,
  );
  const messages = events.map((event) => (event.type === "log" ? event.message : "")).join("\n");
  return { error, messages, events };
}

const steps = (event: DraftsmithEvent): number =>
  event.type === "step-progress" && event.unit === "steps" ? event.done : 0;

it("an interrupted training continues with other minutes and attention, and is not mixed with another rate", {
  timeout: 600_000,
}, async () => {
  const { path: shards } = await trainShards(bench, { train: [60, 70, 50, 64], heldout: [40] }, false);
  const abort = new AbortController();
  const first = await train(shards, {}, (event) => steps(event) >= 12 && abort.abort(), abort.signal);
  expect(first.error).toMatchObject({ code: "INTERRUPTED", exitCode: 130 });
  expect(first.events.some((event) => event.type === "step-progress" && event.unit === "held-out rows")).toBe(true);
  const saved = /the state is saved/.test(first.messages);
  expect(saved).toBe(true);
  const refused = await train(shards, { lr: 1e-5 });
  expect(refused.error).toMatchObject({ code: "RESUME_CONFLICT", exitCode: 15 });
  expect(refused.error?.message).toMatch(/saved at step \d+, was made with another lr: lr was 0.0006, now it is 1e-05/);
  const second = await train(shards, { maxMinutes: 1e-9, attention: "sdpa", processes: 1 });
  expect(second.error).toBeUndefined();
  expect(second.messages).toMatch(/resuming at step \d\d+ of 400/);
});

it("a killed rank is named with host, cause and last lines, and the same command continues", {
  timeout: 600_000,
}, async () => {
  const { path: shards } = await trainShards(bench, { train: [60, 70, 50, 64], heldout: [40] }, false);
  let killed = 0;
  const first = await train(shards, { processes: 2 }, (event) => {
    if (killed === 0 && steps(event) >= 12) {
      killed = rankProcess("1");
      process.kill(killed, "SIGKILL");
    }
  });
  expect(killed).toBeGreaterThan(0);
  expect(first.error).toMatchObject({ code: "TRAINER_FAILED" });
  expect(first.error?.message).toMatch(
    /^rank 1 on \S+ was killed by signal 9 \(SIGKILL\), most likely by the out-of-memory/,
  );
  expect(first.error?.hint).toBe("the same command continues from the last saved state");
  const second = await train(shards, { processes: 2, maxMinutes: 1e-9 });
  expect(second.error).toBeUndefined();
  expect(second.messages).toMatch(/resuming at step \d+ of 400/);
});

/** The process of a rank, among the descendants of this one: their environment tells it. */
function rankProcess(rank: string): number {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      if (environment.includes(`RANK=${rank}`) && command.includes(bench.root) && command.includes("train")) {
        return Number(pid);
      }
    } catch {
      // It has ended, or is another user's.
    }
  }
  return 0;
}
