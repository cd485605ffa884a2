/** Runs the selected steps of a plan, one after the other, and keeps going where a failure does not matter. */
import type { Manifest } from "../artifacts/index.js";
import { DraftsmithError, isDraftsmithError } from "../base/index.js";
import type { EventSink } from "../events/index.js";
import { assess, readSealed } from "./assess.js";
import type { HashCache } from "./content.js";
import { resumeDigest } from "./fingerprint.js";
import { fingerprintStep, openInputs } from "./inspect.js";
import type { Plan, PlannedStep } from "./plan-types.js";
import { runStep } from "./run-step.js";
import type { Selection } from "./select.js";
import type { Supervisor } from "./services/index.js";
import {
  asideDirectory,
  clearResume,
  failedDirectory,
  resumeDirectory,
  stepDirectory,
  workDirectory,
} from "./workspace.js";

export interface ExecuteRequest {
  plan: Plan;
  selection: Selection;
  supervisor: Supervisor;
  cache: HashCache;
  limit: number | undefined;
  verify: boolean;
  events: EventSink;
  signal: AbortSignal;
  /** Where a step may put a report of its run. */
  reportDirectory(step: string): string;
  /** Called for every step that finished or was cached. */
  onManifest(step: string, manifest: Manifest): Promise<void>;
}

export interface StepResult {
  name: string;
  stage: string;
  state: "done" | "cached" | "failed" | "skipped";
  seconds: number;
  output: string;
  manifest?: Manifest;
  error?: unknown;
}

/** Results in the order of the plan. Never throws when a step fails. */
export async function execute(request: ExecuteRequest): Promise<StepResult[]> {
  const { plan, selection, supervisor, events, signal } = request;
  const finished = new Map<string, Manifest>();
  const results: StepResult[] = [];
  for (const [at, step] of selection.steps.entries()) {
    const base = { name: step.name, stage: step.stage.name, output: stepDirectory(plan.workspace, step.name) };
    const blocked = blocker(step, results, signal);
    if (blocked !== undefined) {
      events.emit({ type: "step-skipped", step: step.name, stage: step.stage.name, why: blocked });
      results.push({ ...base, state: "skipped", seconds: 0 });
      continue;
    }
    const began = performance.now();
    const seconds = (): number => (performance.now() - began) / 1000;
    try {
      const { state, manifest } = await perform(step, finished, request);
      finished.set(step.name, manifest);
      await request.onManifest(step.name, manifest);
      results.push({ ...base, state, manifest, seconds: seconds() });
    } catch (error) {
      emitFailure(step, error, events);
      results.push({ ...base, state: "failed", error, seconds: seconds() });
    }
    await supervisor.stopExcept(new Set(selection.steps.slice(at + 1).flatMap(({ services }) => services)));
    await request.cache.save();
  }
  return results;
}

function blocker(step: PlannedStep, results: readonly StepResult[], signal: AbortSignal): string | undefined {
  if (signal.aborted) return "the run was interrupted";
  const lost = results.find(
    ({ name, state }) => step.after.includes(name) && (state === "failed" || state === "skipped"),
  );
  return lost === undefined ? undefined : `${lost.name} ${lost.state === "failed" ? "failed" : "was not run"}`;
}

async function perform(
  step: PlannedStep,
  finished: ReadonlyMap<string, Manifest>,
  request: ExecuteRequest,
): Promise<{ state: "done" | "cached"; manifest: Manifest }> {
  const { plan, selection, supervisor, cache, limit, verify, events, signal } = request;
  const { workspace } = plan;
  const output = stepDirectory(workspace, step.name);
  const cached = (manifest: Manifest): { state: "cached"; manifest: Manifest } => {
    events.emit({ type: "step-cached", step: step.name, stage: step.stage.name, counts: manifest.counts });
    return { state: "cached", manifest };
  };
  if (selection.asIs.has(step.name)) return cached(await takeAsItIs(step, output));

  const inspection = { plan, step, finished, limit, cache, verify };
  const inputs = await openInputs(inspection);
  const fingerprint = await fingerprintStep(inspection, inputs);
  const verdict = await assess({
    directory: output,
    fingerprint,
    cache,
    verify,
    force: selection.forced.has(step.name),
  });
  if (verdict.state === "cached") return cached(verdict.manifest);

  if (signal.aborted) throw new DraftsmithError("INTERRUPTED", `${step.name} was not started`);
  await supervisor.ensure(step.services);
  const manifest = await runStep({
    name: step.name,
    stage: step.stage,
    options: step.resolve((service, property) => supervisor.property(service, property)),
    inputs,
    fingerprint,
    why: verdict.why,
    directories: {
      output,
      work: workDirectory(workspace, step.name),
      aside: asideDirectory(workspace, step.name),
      resume: resumeDirectory(workspace, step.name, resumeDigest(step.stage, fingerprint)),
      failed: failedDirectory(workspace, step.name),
      report: request.reportDirectory(step.name),
    },
    limit,
    events,
    signal,
    cache,
    guard: supervisor.died(step.services),
  });
  await clearResume(workspace, step.name);
  return { state: "done", manifest };
}

async function takeAsItIs(step: PlannedStep, output: string): Promise<Manifest> {
  const sealed = await readSealed(output);
  if (sealed !== undefined) return sealed.manifest;
  throw new DraftsmithError(
    "ARTIFACT_INVALID",
    `${step.name} comes before the step of --from, but was never finished`,
    {
      location: { file: output },
      hint: "run once without --from",
    },
  );
}

function emitFailure(step: PlannedStep, error: unknown, events: EventSink): void {
  const known = isDraftsmithError(error);
  events.emit({
    type: "step-failed",
    step: step.name,
    stage: step.stage.name,
    code: known ? error.code : "BUG",
    message: error instanceof Error ? error.message : String(error),
    ...(known && error.hint !== undefined ? { hint: error.hint } : {}),
    ...(known && error.location !== undefined ? { location: error.location } : {}),
  });
}
