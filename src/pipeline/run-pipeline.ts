/** The whole of a run: load, plan, lock, execute, record. */
import { join, resolve } from "node:path";
import { DraftsmithError, defined, isDraftsmithError, isJsonObject } from "../base/index.js";
import { type EventSink, type SummaryRow, silentSink, tee, withoutSecrets } from "../events/index.js";
import { HashCache } from "./content.js";
import { execute, type StepResult } from "./execute.js";
import { History } from "./history.js";
import { findPathProblems } from "./inspect.js";
import { loadPipeline } from "./load.js";
import { acquireLock } from "./lock.js";
import { publicAssignment } from "./overrides.js";
import { makePlan } from "./plan.js";
import type { Plan, StageRegistry } from "./plan-types.js";
import { reportRun } from "./run-report/index.js";
import { type SelectionRequest, selectSteps } from "./select.js";
import { SERVICE_TYPES, type ServiceRegistry, Supervisor } from "./services/index.js";
import { allStages } from "./stage-registry.js";
import { prepareWorkspace, workspacePaths } from "./workspace.js";

export interface PlanOptions {
  file: string;
  /** Assignments such as `vars.model=../model`. */
  set?: readonly string[];
  /** Default: `runs/<name of the pipeline>` below `cwd`. */
  workspace?: string | undefined;
  cwd?: string;
  stages?: StageRegistry;
  services?: ServiceRegistry;
}

export interface RunOptions extends PlanOptions, SelectionRequest {
  /** Work on the first rows only, in every step. */
  limit?: number | undefined;
  /** Read the outputs of cached steps again instead of trusting size and time. */
  verify?: boolean;
  events?: EventSink;
  /** Stops the run: what is in flight is saved, services are stopped. */
  signal?: AbortSignal;
  /** Receives a function that kills whatever would take long to stop. */
  onKillable?(kill: () => void): void;
}

export interface RunResult {
  outcome: "done" | "failed" | "interrupted";
  steps: StepResult[];
  workspace: string;
  /** The record of this run. */
  directory: string;
  /** Its page; undefined if it could not be written. */
  report?: string;
  /** The newest artifact that holds rows, for `draftsmith inspect`. */
  rows?: string;
  /** What the first failed step threw. */
  error?: unknown;
}

/** Loads a file and plans it, without running or contacting anything. */
export async function planPipeline(options: PlanOptions): Promise<Plan> {
  const cwd = options.cwd ?? process.cwd();
  const loaded = await loadPipeline(options.file, options.set ?? [], cwd);
  return makePlan({
    loaded,
    stages: options.stages ?? allStages,
    services: options.services ?? SERVICE_TYPES,
    workspace: resolve(cwd, options.workspace ?? join("runs", loaded.content.name)),
  });
}

/**
 * Runs a pipeline file. A failing step is reported in the result; what keeps the run from starting is thrown.
 * @throws DraftsmithError PIPELINE_INVALID; INPUT_MISSING, INPUT_INVALID for paths; OUTPUT_INVALID for the workspace;
 * USAGE (another run works there).
 */
export async function runPipeline(options: RunOptions): Promise<RunResult> {
  const plan = await planPipeline(options);
  const { workspace } = plan;
  const selection = selectSteps(plan, options);
  const problems = await findPathProblems(
    plan,
    selection.steps.filter(({ name }) => !selection.asIs.has(name)),
  );
  if (problems[0] !== undefined) throw problems[0];

  const lock = await acquireLock(workspacePaths.lock(workspace), "workspace");
  try {
    await prepareWorkspace(workspace);
    return await recordedRun(plan, selection, options);
  } finally {
    await lock.release();
  }
}

async function recordedRun(
  plan: Plan,
  selection: ReturnType<typeof selectSteps>,
  options: RunOptions,
): Promise<RunResult> {
  const { from, until, force = [], limit, verify = false } = options;
  const set = options.set?.map(publicAssignment) ?? [];
  const signal = options.signal ?? new AbortController().signal;
  const history = await History.start(plan, { set, from, until, force, limit, verify });
  const events = withoutSecrets(tee(history.events, options.events ?? silentSink));
  const supervisor = new Supervisor({ services: plan.services, logs: history.logs, events, signal });
  options.onKillable?.(() => supervisor.killAll());
  const cache = await HashCache.load(workspacePaths.hashes(plan.workspace), {
    signal,
    onLargeFile: (path, bytes) =>
      events.emit({
        type: "log",
        level: "info",
        message: `reading ${path} (${(bytes / 1e9).toFixed(1)} GB) once, for its fingerprint`,
      }),
  });
  const began = performance.now();
  const started = new Date().toISOString();
  events.emit({
    type: "run-started",
    pipeline: plan.name,
    directory: history.directory,
    steps: selection.steps.map(({ name }) => name),
  });
  for (const { step, message } of plan.warnings) {
    const runs = selection.steps.some(({ name }) => name === step) && !selection.asIs.has(step);
    if (runs) events.emit({ type: "log", level: "warn", step, message });
  }
  let steps: StepResult[];
  try {
    const onManifest = history.manifest.bind(history);
    const reportDirectory = history.reportDirectory.bind(history);
    const watch = { events, signal, reportDirectory, onManifest };
    steps = await execute({ plan, selection, supervisor, cache, limit, verify, ...watch });
  } finally {
    await supervisor.stopExcept(new Set());
  }
  const failure = steps.find(({ state }) => state === "failed");
  const interrupted = signal.aborted && steps.some(({ state }) => state === "failed" || state === "skipped");
  const outcome: RunResult["outcome"] = interrupted ? "interrupted" : failure === undefined ? "done" : "failed";
  const seconds = (performance.now() - began) / 1000;
  events.emit({ type: "run-finished", pipeline: plan.name, outcome, seconds, summary: steps.flatMap(summaryRows) });
  await history.finish({ outcome, started, seconds, steps: steps.map(stepRecord) });
  const report = await reportOrWarn(history.directory, options);
  const result: RunResult = {
    outcome,
    steps,
    workspace: plan.workspace,
    directory: history.directory,
    ...defined({ report, rows: steps.findLast(holdsRows)?.output }),
  };
  if (interrupted) return { ...result, error: interruption(failure?.error) };
  return failure === undefined ? result : { ...result, error: failure.error };
}

function holdsRows({ manifest }: StepResult): boolean {
  return manifest?.kind === "rows" || manifest?.kind === "shards";
}

/** A page that cannot be drawn must not fail a run that is done. */
async function reportOrWarn(
  directory: string,
  { events, stages = allStages }: RunOptions,
): Promise<string | undefined> {
  try {
    return await reportRun(directory, stages);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    events?.emit({ type: "log", level: "warn", message: `the report of this run could not be written: ${why}` });
    return undefined;
  }
}

function interruption(error: unknown): unknown {
  if (isDraftsmithError(error) && error.code === "INTERRUPTED") return error;
  return new DraftsmithError("INTERRUPTED", "the run was interrupted", {
    hint: "the same command continues",
    cause: error,
  });
}

/** `facts.summary` of a step's manifest: rows that its stage wants in the closing table; and where an exported draft lies. */
export function summaryRows({ name, manifest, output }: StepResult): SummaryRow[] {
  const told = manifest?.facts.summary;
  const rows = (Array.isArray(told) ? told : [])
    .filter(isJsonObject)
    .map(({ label, value }) => ({ label: `${name}: ${String(label)}`, value: String(value) }));
  // A path is not a fact of the artifact: the digest would depend on its location.
  return manifest?.kind === "draft"
    ? [...rows, { label: `${name}: the draft that SGLang loads`, value: output }]
    : rows;
}

function stepRecord({ name, stage, state, seconds, output, manifest, error }: StepResult): object {
  return {
    name,
    stage,
    state,
    seconds,
    output,
    ...defined({ digest: manifest?.digest, counts: manifest?.counts }),
    ...(error === undefined
      ? {}
      : { error: isDraftsmithError(error) ? { code: error.code, message: error.message } : String(error) }),
  };
}
