import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DraftsmithError } from "../../src/base/index.js";
import { type DraftsmithEvent, silentSink } from "../../src/events/index.js";
import { existingPython, packageRoot, runJob, startServer } from "../../src/trainer-process/index.js";
import { parseJobEvent } from "../../src/trainer-process/job-events.js";
import { scratchDirectory } from "../scratch/scratch.js";

const root = scratchDirectory("job");
const python = await existingPython().catch(() => null);

async function errorOf(promise: Promise<unknown>): Promise<DraftsmithError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DraftsmithError);
  return error as DraftsmithError;
}

describe("parseJobEvent", () => {
  it("reads every kind and refuses what is no event", () => {
    expect(parseJobEvent('{"type":"progress","done":1,"total":2,"unit":"steps"}')).toMatchObject({ done: 1 });
    expect(parseJobEvent('{"type":"metric","step":3,"values":{"loss":0.5,"gap":null}}')).toMatchObject({ step: 3 });
    expect(parseJobEvent("Loading weights: 100%")).toBeNull();
    expect(parseJobEvent('{"type":"unheard-of"}')).toBeNull();
  });
});

describe.skipIf(python === null)("runJob (needs the trainer's Python environment)", () => {
  it("turns an unknown option into OPTIONS_INVALID with the trainer's own words", async () => {
    const error = await errorOf(
      runJob({
        job: "train",
        config: { target: root, shards: root, workDir: root, resumeDir: root, options: { lrr: 1 } },
        configFile: join(root, "job.json"),
        step: "train",
        events: silentSink,
        signal: new AbortController().signal,
      }),
    );
    expect(error.code).toBe("OPTIONS_INVALID");
    expect(error.message).toContain("lrr");
    expect(error.location).toEqual({ field: "lrr" });
  }, 120_000);

  it("names an option that no draft can have as the user wrote it", async () => {
    const target = join(packageRoot(), "fixtures", "tiny-gui");
    const error = await errorOf(
      runJob({
        job: "train",
        config: { target, shards: root, workDir: root, resumeDir: root, options: { draft: { targetLayerIds: [9] } } },
        configFile: join(root, "job.json"),
        step: "train",
        events: silentSink,
        signal: new AbortController().signal,
      }),
    );
    expect(error).toMatchObject({ code: "OPTIONS_INVALID", location: { field: "draft.targetLayerIds" } });
    expect(error.message).toBe("draft.targetLayerIds must lie in 0..6 for a target of 8 layers, not [9]");
  }, 120_000);

  it("draws demo data with progress, and equal seeds give equal counts", async () => {
    const events: DraftsmithEvent[] = [];
    const result = await runJob({
      job: "demo-data",
      args: ["--out", join(root, "raw"), "--dialogues", "5", "--seed", "3"],
      step: "raw",
      events: { emit: (event) => events.push(event) },
      signal: new AbortController().signal,
    });
    expect(result.dialogues).toBe(5);
    expect(events.some((event) => event.type === "step-progress" && event.step === "raw")).toBe(true);
  }, 120_000);

  it("stops a job when the signal is aborted and says so", async () => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 300);
    const error = await errorOf(
      runJob({
        job: "demo-data",
        args: ["--out", join(root, "stopped"), "--dialogues", "200000", "--seed", "3"],
        step: "raw",
        events: silentSink,
        signal: abort.signal,
      }),
    );
    expect(error.code).toBe("INTERRUPTED");
    expect(error.exitCode).toBe(130);
  }, 120_000);

  it("reports a server that cannot start with the end of its log", async () => {
    const error = await errorOf(startServer({ model: join(root, "no-such-model") }));
    expect(error.code).toBe("SERVICE_FAILED");
    expect(error.exitCode).toBe(9);
    expect(error.frame ?? error.message).toContain("no-such-model");
  }, 120_000);
});
