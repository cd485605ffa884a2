/** One stage on its own, with the guarantees of a pipeline's step: sealed output, resume, cache by fingerprint. */
import { rmSync } from "node:fs";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { isSealed, type Manifest } from "../artifacts/index.js";
import { DraftsmithError } from "../base/index.js";
import { type EventSink, silentSink, withoutSecrets } from "../events/index.js";
import type { Stage } from "../stages/stage.js";
import { assess } from "./assess.js";
import { HashCache } from "./content.js";
import { fingerprintOf, resumeDigest } from "./fingerprint.js";
import { acquireLock } from "./lock.js";
import { checkPaths } from "./paths.js";
import { runStep } from "./run-step.js";
import { checkOptions, openAll } from "./stage-request.js";
import { makeTemporary } from "./temporary.js";

export interface RunStageRequest {
  stage: Stage;
  /** As a user writes them; checked and filled in by the stage's schema. */
  options: Record<string, unknown>;
  /** Artifact directories by input name. */
  inputs: Readonly<Record<string, string>>;
  /**
   * Directory of the sealed output. Beside it lie OUT.resume, OUT.report and, while running, OUT.work. Only a stage with a report
   * may do without: its output is then temporary, and kept where the stage fails.
   */
  out?: string | undefined;
  limit?: number | undefined;
  /** Replace an output that was made from something else. */
  force?: boolean;
  /** Relative paths start here. */
  cwd?: string;
  events?: EventSink;
  signal?: AbortSignal;
  /** Receives the stage's report, if it writes one, whether it fails or not. */
  onReport?: (text: string) => void;
}

export interface StageOutcome {
  state: "done" | "cached";
  output: string;
  manifest: Manifest;
}

/**
 * @throws DraftsmithError OPTIONS_INVALID; INPUT_MISSING, INPUT_INVALID or ARTIFACT_INVALID for what is read; USAGE when
 * `out` holds something else; OUTPUT_INVALID when it cannot be written; and whatever the stage throws.
 */
export async function runStage(request: RunStageRequest): Promise<StageOutcome> {
  const { stage, out, cwd = process.cwd() } = request;
  if (out !== undefined) return runInto(request, resolve(cwd, out));
  if (stage.report === undefined) {
    throw new DraftsmithError("USAGE", `${stage.name} needs a directory for its output`, {
      hint: "add --out DIRECTORY",
    });
  }
  const temporary = await makeTemporary(stage.name);
  const discard = (): void => rmSync(temporary, { recursive: true, force: true });
  // A second Ctrl-C exits at once.
  process.once("exit", discard);
  let failedWithReport = false;
  try {
    return await runInto(request, join(temporary, stage.name));
  } catch (error) {
    failedWithReport = await hasReport(temporary, stage.report);
    throw error;
  } finally {
    process.off("exit", discard);
    // The error message names the report, so a failed run keeps it.
    if (!failedWithReport) discard();
  }
}

async function hasReport(directory: string, name: string): Promise<boolean> {
  const files = await readdir(directory, { recursive: true }).catch((): string[] => []);
  return files.some((file) => basename(file) === name);
}

async function runInto(request: RunStageRequest, output: string): Promise<StageOutcome> {
  const { stage, limit, force = false, cwd = process.cwd() } = request;
  const events = withoutSecrets(request.events ?? silentSink);
  const signal = request.signal ?? new AbortController().signal;
  const options = checkOptions(stage, request.options, cwd);
  await checkPaths(stage, options);
  const inputs = await openAll(stage, request.inputs, cwd);
  const lock = await acquireLock(`${output}.lock`, "out");
  try {
    // Before the files are hashed, which may take minutes.
    await refuseForeign(output);
    const cache = await HashCache.load();
    const step = {
      name: stage.name,
      stage,
      options,
      references: [],
      services: [],
      base: stage.name,
      description: undefined,
      matrix: {},
      inputs: {},
      after: [],
      resolve: () => options,
      path: [],
    };
    const manifests = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input?.manifest]));
    const fingerprint = await fingerprintOf({
      step,
      services: [],
      digestOfStep: () => "",
      inputs: manifests,
      limit,
      workspace: undefined,
      cache,
    });
    const verdict = await assess({ directory: output, fingerprint, cache, force, verify: false });
    if (verdict.state === "cached") {
      await showReport(request, output);
      events.emit({ type: "step-cached", step: stage.name, stage: stage.name, counts: verdict.manifest.counts });
      return { state: "cached", output, manifest: verdict.manifest };
    }
    await refuseToOverwrite(output, verdict.why, force);
    const resume = `${output}.resume/${resumeDigest(stage, fingerprint).slice(0, 12)}`;
    const manifest = await runStep({
      name: stage.name,
      stage,
      options,
      inputs,
      fingerprint,
      why: verdict.why,
      directories: {
        output,
        work: `${output}.work`,
        aside: `${output}.old`,
        resume,
        failed: `${output}.failed`,
        report: request.out === undefined ? undefined : `${output}.report`,
      },
      limit,
      events,
      signal,
      cache,
    }).catch(async (error: unknown) => {
      await showReport(request, resume);
      throw error;
    });
    await showReport(request, output);
    await rm(`${output}.resume`, { recursive: true, force: true });
    return { state: "done", output, manifest };
  } finally {
    await lock.release();
  }
}

/** A stage that failed early has written none. */
async function showReport({ stage, onReport }: RunStageRequest, directory: string): Promise<void> {
  if (stage.report === undefined || onReport === undefined) return;
  const text = await readFile(join(directory, stage.report), "utf8").catch(() => undefined);
  if (text !== undefined) onReport(text);
}

/** @throws DraftsmithError USAGE - something that draftsmith did not make lies where the output goes */
async function refuseForeign(output: string): Promise<void> {
  const found = await stat(output).catch(() => undefined);
  if (found === undefined || (await isSealed(output))) return;
  throw new DraftsmithError("USAGE", `${output} exists and is not an artifact of draftsmith`, {
    location: { file: output, field: "out" },
    hint: "choose another --out",
  });
}

async function refuseToOverwrite(output: string, why: string, force: boolean): Promise<void> {
  if (force || !(await isSealed(output))) return;
  throw new DraftsmithError("USAGE", `${basename(output)} holds an output that was made from something else: ${why}`, {
    location: { file: output, field: "out" },
    hint: "choose another --out, or replace it with --force",
  });
}
