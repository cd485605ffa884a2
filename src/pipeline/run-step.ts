/** Runs one stage and seals what it made: the part that a pipeline's step and a stage on its own have in common. */
import { mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Manifest, publishDirectory, sealDirectory } from "../artifacts/index.js";
import { DraftsmithError, fromErrno, isDraftsmithError, type JsonObject, pathOf, withoutErrno } from "../base/index.js";
import type { EventSink } from "../events/index.js";
import { type InputArtifact, outputKind, type Stage } from "../stages/stage.js";
import type { HashCache } from "./content.js";
import type { Fingerprint } from "./fingerprint.js";

const FINGERPRINT_DIGITS = 12;

export interface StepDirectories {
  /** Where the sealed output goes. */
  output: string;
  /** On the same file system as `output`. */
  work: string;
  aside: string;
  resume: string;
  /** Keeps what a failed run had written. */
  failed: string;
  /** For the stage's report of the run. */
  report?: string | undefined;
}

export interface StepRequest {
  name: string;
  stage: Stage;
  options: Record<string, unknown>;
  inputs: Record<string, InputArtifact | undefined>;
  fingerprint: Fingerprint;
  why: string;
  directories: StepDirectories;
  limit: number | undefined;
  events: EventSink;
  signal: AbortSignal;
  cache: HashCache;
  /** Rejects when something that the step depends on dies: its run is then aborted and this error reported. */
  guard?: Promise<never>;
}

/** @throws what the stage throws; DraftsmithError INTERRUPTED when the signal was aborted. Emits started and finished. */
export async function runStep(request: StepRequest): Promise<Manifest> {
  const { name, stage, directories, events } = request;
  if (stage.joins?.(request.options) === true) {
    throw new DraftsmithError("OPTIONS_INVALID", `${name} has options of a machine that only helps another's run`, {
      hint: `start \`draftsmith ${stage.name}\` on that machine; the pipeline runs on the one that writes the output`,
    });
  }
  const { output, work, aside, resume, failed } = directories;
  const began = performance.now();
  events.emit({ type: "step-started", step: name, stage: stage.name, why: request.why });
  try {
    await rm(work, { recursive: true, force: true });
    await rm(failed, { recursive: true, force: true });
    await mkdir(work, { recursive: true });
    await mkdir(resume, { recursive: true });
  } catch (error) {
    throw fromErrno(error, pathOf(error) ?? dirname(work), { use: "write" });
  }
  let manifest: Manifest;
  try {
    const draft = await runGuarded(request);
    manifest = await sealDirectory({
      directory: work,
      kind: outputKind(stage, request.options),
      producer: {
        stage: stage.name,
        version: String(stage.codeVersion),
        options: producerOptions(request.fingerprint),
      },
      inputs: inputDigests(request.inputs),
      draft,
      fingerprint: request.fingerprint,
    });
  } catch (error) {
    await keepForInspection(work, failed);
    throw withoutErrno(error);
  }
  await publishDirectory(work, output, aside);
  await rm(resume, { recursive: true, force: true });
  for (const { path, sha256 } of manifest.files) await request.cache.learn(join(output, path), sha256);
  const seconds = (performance.now() - began) / 1000;
  events.emit({ type: "step-finished", step: name, stage: stage.name, seconds, counts: manifest.counts, output });
  return manifest;
}

async function runGuarded(request: StepRequest) {
  const { name, stage, options, inputs, directories, events, signal, limit } = request;
  const death = new AbortController();
  request.guard?.catch((error: unknown) => death.abort(error));
  try {
    return await stage.run(options, inputs, {
      step: name,
      events,
      signal: AbortSignal.any([signal, death.signal]),
      workDir: directories.work,
      resumeDir: directories.resume,
      otherResumeDirs: await otherResumeDirs(directories.resume),
      reportDir: directories.report,
      limit,
    });
  } catch (error) {
    if (signal.aborted) {
      throw isDraftsmithError(error) && error.code === "INTERRUPTED"
        ? error
        : new DraftsmithError("INTERRUPTED", `${name} was stopped`, { cause: error });
    }
    if (death.signal.aborted) throw death.signal.reason;
    throw error;
  }
}

/** Resume directories are named by a prefix of the step's own and 12 digits of the fingerprint. */
async function otherResumeDirs(own: string): Promise<string[]> {
  const prefix = basename(own).slice(0, -FINGERPRINT_DIGITS);
  const entries = await readdir(dirname(own)).catch(() => []);
  return entries
    .filter((name) => name !== basename(own) && name.startsWith(prefix))
    .filter((name) => /^[0-9a-f]{12}$/.test(name.slice(prefix.length)))
    .sort()
    .map((name) => join(dirname(own), name));
}

/** As the fingerprint has them: without addresses and paths, so that equal work gives equal manifests. */
function producerOptions({ options, files }: Fingerprint): JsonObject {
  return { ...options, ...files };
}

function inputDigests(inputs: StepRequest["inputs"]): Manifest["inputs"] {
  return Object.fromEntries(
    Object.entries(inputs).flatMap(([name, input]) =>
      input === undefined ? [] : [[name, { kind: input.manifest.kind, digest: input.manifest.digest }]],
    ),
  );
}

async function keepForInspection(work: string, failed: string): Promise<void> {
  try {
    if ((await readdir(work)).length === 0) return await rmdir(work);
    await mkdir(dirname(failed), { recursive: true });
    await rename(work, failed);
  } catch {
    // The step's own error matters more; the next run clears what could not be kept.
  }
}
