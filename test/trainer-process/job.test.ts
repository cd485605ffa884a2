import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { DraftsmithError } from "../../src/base/index.js";
import { type DraftsmithEvent, silentSink } from "../../src/events/index.js";
import {
  existingPython,
  packageRoot,
  runJob,
  startServer,
  trainerEnvironment,
} from "../../src/trainer-process/index.js";
import { parseJobEvent, TRAINER_ERROR_CODES, trainerError } from "../../src/trainer-process/job-events.js";
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

/** The process whose command line names a path. */
function childWith(path: string): number {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(path)) return Number(pid);
    } catch {
      // It has ended.
    }
  }
  throw new Error(`no process has ${path} on its command line`);
}

describe("parseJobEvent", () => {
  it("reads every kind and refuses what is no event", () => {
    expect(parseJobEvent('{"type":"progress","done":1,"total":2,"unit":"steps"}')).toMatchObject({ done: 1 });
    expect(parseJobEvent('{"type":"metric","step":3,"values":{"loss":0.5,"gap":null}}')).toMatchObject({ step: 3 });
    expect(parseJobEvent("Loading weights: 100%")).toBeNull();
    expect(parseJobEvent('{"type":"unheard-of"}')).toBeNull();
  });

  it("keeps an error's code, field and hint, and the message of one whose code it does not know", () => {
    const said = { type: "error", code: "DATA_EMPTY", reason: "no-rows", message: "m", hint: "h", field: "maxLength" };
    const event = parseJobEvent(JSON.stringify(said));
    expect(event?.type === "error" && trainerError(event)).toMatchObject({
      code: "DATA_EMPTY",
      message: "m",
      hint: "h",
      location: { field: "maxLength" },
    });
    const other = parseJobEvent(JSON.stringify({ ...said, code: "FROM_LATER" }));
    expect(other).toMatchObject({ code: "TRAINER_FAILED", message: "m" });
    const died = parseJobEvent(JSON.stringify({ ...said, reason: "rank-died", frame: "Traceback\nline" }));
    expect(died?.type === "error" && trainerError(died).frame).toBe("Traceback\nline");
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

  it.each([
    ["SIGKILL", "TRAINER_FAILED", "was killed by SIGKILL, most likely by the out-of-memory killer"],
    ["SIGTERM", "INTERRUPTED", "demo-data was stopped"],
  ] as const)(
    "tells what ended a job that got %s from elsewhere",
    async (signal, code, message) => {
      const out = join(root, `ended-${signal}`);
      const running = runJob({
        job: "demo-data",
        args: ["--out", out, "--dialogues", "200000", "--seed", "3"],
        step: "raw",
        events: { emit: (event) => event.type === "step-progress" && process.kill(childWith(out), signal) },
        signal: new AbortController().signal,
      });
      const error = await errorOf(running);
      expect(error.code).toBe(code);
      expect(error.message).toContain(message);
      expect(error.hint).toContain("the same command continues");
    },
    120_000,
  );

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

  it("reports a server that cannot start under the code of what is wrong", async () => {
    const error = await errorOf(startServer({ model: join(root, "no-such-model") }));
    expect(error).toMatchObject({ code: "MODEL_INVALID", exitCode: 6 });
    expect(error.message).toContain("no-such-model");
  }, 120_000);

  it("tells weights that are a Git LFS pointer from a fault of its own, in a job and in a server", async () => {
    const model = join(root, "pointer");
    await cp(join(packageRoot(), "fixtures", "tiny-gui"), model, { recursive: true });
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"0c".repeat(32)}\nsize 52\n`;
    await writeFile(join(model, "model.safetensors"), pointer);
    const job = runJob({
      job: "train",
      config: { target: model, shards: root, workDir: join(root, "w"), resumeDir: join(root, "r") },
      configFile: join(root, "pointer.json"),
      step: "train",
      events: silentSink,
      signal: new AbortController().signal,
    });
    for (const error of [await errorOf(job), await errorOf(startServer({ model }))]) {
      expect(error).toMatchObject({ code: "MODEL_INVALID", exitCode: 6 });
      expect(error.message).toContain(`${join(model, "model.safetensors")} is a Git LFS pointer`);
      expect(error.hint).toContain("git lfs pull");
    }
  }, 120_000);

  it("reports a server that ends without a word for it with the end of its log", async () => {
    const model = join(packageRoot(), "fixtures", "tiny-gui");
    const error = await errorOf(startServer({ model, maxBatch: 0 }));
    expect(error).toMatchObject({ code: "SERVICE_FAILED", exitCode: 9 });
    expect(error.frame).toContain("--max-batch: must be at least 1, not 0");
  }, 120_000);

  it("knows every code that the Python side reports under", async () => {
    const script = "from draftsmith_trainer.base.error_codes import ToolkitCode; print(*ToolkitCode.__args__)";
    const run = promisify(execFile);
    const { stdout } = await run(python!.executable, ["-c", script], { env: trainerEnvironment() });
    expect(stdout.trim().split(" ")).toEqual([...TRAINER_ERROR_CODES]);
  }, 60_000);
});
