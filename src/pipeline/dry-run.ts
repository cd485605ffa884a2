/** `--dry-run`: what a run would do, without running, writing or contacting anything, and without needing the data. */
import type { Manifest } from "../artifacts/index.js";
import { DraftsmithError, defined, hideSecretsIn, isDraftsmithError, type JsonValue } from "../base/index.js";
import type { Estimate, InputArtifact } from "../stages/stage.js";
import { assess, readSealed } from "./assess.js";
import { HashCache } from "./content.js";
import { findPathProblems, fingerprintStep, openInputs } from "./inspect.js";
import type { Plan, PlannedInput, PlannedStep } from "./plan-types.js";
import { planPipeline, type RunOptions } from "./run-pipeline.js";
import { type Selection, selectSteps } from "./select.js";
import { placeholder } from "./services/index.js";
import { wholeRun } from "./whole-run.js";
import { stepDirectory, workspacePaths } from "./workspace.js";

export interface DryStep {
  name: string;
  stage: string;
  /** run: never made. stale: made, but from something else. cached: still good. unknown: an earlier step decides. */
  state: "run" | "stale" | "cached" | "unknown";
  why: string;
  /** What the step is for. */
  about: string;
  /** What is not there yet but will be needed. */
  notes: string[];
  /** The stage's own estimate: lines, and those of its figures that can be added up. */
  estimate: string[];
  hours?: number;
  diskBytes?: number;
  /** Why this machine cannot run it. */
  refusal?: { message: string; hint: string };
  services: string[];
}

export interface DryRun {
  pipeline: string;
  workspace: string;
  steps: DryStep[];
  /** Services that the steps which run would use, and what would be done with them. */
  services: { name: string; uses: string; what: string }[];
}

export async function dryRun(options: RunOptions): Promise<DryRun> {
  const plan = await planPipeline(options);
  const selection = selectSteps(plan, options);
  const cache = await HashCache.load(workspacePaths.hashes(plan.workspace));
  const finished = new Map<string, Manifest>();
  const steps: DryStep[] = [];
  for (const step of selection.steps) {
    const found = await lookAt(step, { plan, selection, cache, finished, steps, options });
    steps.push(found);
  }
  const needed = new Set(steps.filter(({ state }) => state !== "cached").flatMap(({ services }) => services));
  const services = plan.services
    .filter(({ name }) => needed.has(name))
    .map(({ name, type, options: own }) => ({ name, uses: type.name, what: type.describe(own) }));
  return hideSecretsIn({ pipeline: plan.name, workspace: plan.workspace, steps, services });
}

interface Look {
  plan: Plan;
  selection: Selection;
  cache: HashCache;
  finished: Map<string, Manifest>;
  /** Those looked at so far. */
  steps: readonly DryStep[];
  options: RunOptions;
}

async function lookAt(step: PlannedStep, look: Look): Promise<DryStep> {
  const { plan, selection, finished } = look;
  const result: DryStep = {
    name: step.name,
    stage: step.stage.name,
    state: "run",
    why: "",
    about: step.description ?? step.stage.summary,
    notes: [],
    estimate: [],
    services: step.services,
  };
  const sealed = await readSealed(stepDirectory(plan.workspace, step.name));
  if (selection.asIs.has(step.name)) {
    if (sealed === undefined)
      return { ...result, why: "comes before --from, but was never finished: the run would be refused" };
    finished.set(step.name, sealed.manifest);
    return { ...result, state: "cached", why: "taken as it is (--from)" };
  }
  const warnings = plan.warnings.filter((warning) => warning.step === step.name).map(({ message }) => message);
  const notes = (await findPathProblems(plan, [step])).map((error) => error.message);
  const verdict = await judge(step, sealed !== undefined, notes, look);
  const estimated = verdict.state === "cached" ? {} : await estimateOf(step, look, notes);
  return { ...result, ...verdict, ...estimated, notes: [...warnings, ...notes] };
}

async function judge(
  step: PlannedStep,
  sealed: boolean,
  notes: string[],
  look: Look,
): Promise<Pick<DryStep, "state" | "why">> {
  const { plan, selection, cache, finished, steps, options } = look;
  const changing = steps
    .filter(({ name, state }) => step.after.includes(name) && state !== "cached")
    .map(({ name }) => name);
  if (!sealed) return { state: "run", why: "not made yet" };
  if (changing.length > 0)
    return { state: "unknown", why: `runs unless the output of ${changing.join(", ")} stays the same` };
  if (notes.length > 0) return { state: "unknown", why: "files that its options name are missing or cannot be used" };
  const inspection = { plan, step, finished, limit: options.limit, cache, verify: options.verify ?? false };
  try {
    const inputs = await openInputs(inspection);
    const fingerprint = await fingerprintStep(inspection, inputs);
    const directory = stepDirectory(plan.workspace, step.name);
    const verdict = await assess({
      directory,
      fingerprint,
      cache,
      force: selection.forced.has(step.name),
      verify: inspection.verify,
    });
    if (verdict.state === "run") return { state: "stale", why: verdict.why };
    finished.set(step.name, verdict.manifest);
    return { state: "cached", why: "unchanged" };
  } catch (error) {
    if (!isDraftsmithError(error)) throw error;
    return { state: "unknown", why: error.message };
  }
}

async function estimateOf(
  step: PlannedStep,
  { plan, finished, options: { limit } }: Look,
  notes: string[],
): Promise<Pick<DryStep, "estimate" | "refusal" | "hours" | "diskBytes">> {
  if (step.stage.estimate === undefined) return { estimate: [] };
  const options = step.resolve((name, property) => knownProperty(plan, name, property));
  const inputs: Record<string, InputArtifact | undefined> = {};
  for (const name of Object.keys(step.stage.inputs)) inputs[name] = await madeInput(step.inputs[name], plan, finished);
  try {
    const { lines, hours, diskBytes }: Estimate = await step.stage.estimate(options, inputs, limit, plan.expected);
    return { estimate: lines, ...defined({ hours, diskBytes }) };
  } catch (error) {
    if (!isDraftsmithError(error)) throw error;
    if (error.code === "DOES_NOT_FIT") {
      return { estimate: error.frame?.split("\n") ?? [], refusal: { message: error.message, hint: error.hint ?? "" } };
    }
    if (!notes.includes(error.message)) notes.push(`no estimate: ${error.message}`);
    return { estimate: [] };
  }
}

/** An input that is there already. */
async function madeInput(
  input: PlannedInput | undefined,
  plan: Plan,
  finished: ReadonlyMap<string, Manifest>,
): Promise<InputArtifact | undefined> {
  if (input === undefined) return undefined;
  const path = input.from === "step" ? stepDirectory(plan.workspace, input.step) : input.path;
  const manifest = input.from === "step" ? finished.get(input.step) : (await readSealed(path))?.manifest;
  return manifest === undefined ? undefined : { path, manifest };
}

/** The first step that this machine cannot run, as the error with which the command ends after printing the dry run. */
export function refusalOf({ steps }: DryRun): DraftsmithError | undefined {
  const refused = steps.find(({ refusal }) => refusal !== undefined);
  if (refused?.refusal === undefined) return undefined;
  const { message, hint } = refused.refusal;
  return new DraftsmithError("DOES_NOT_FIT", `${refused.name}: ${message}`, { hint });
}

function knownProperty(plan: Plan, name: string, property: string): JsonValue {
  const service = plan.services.find((each) => each.name === name);
  return service?.type.known?.(service.options)[property] ?? placeholder(name, property);
}

export function formatDryRun({ pipeline, workspace, steps, services }: DryRun): string {
  const width = Math.max(0, ...steps.map(({ name }) => name.length));
  const lines = [`${pipeline} in ${workspace}`, ""];
  for (const { name, stage, state, why, about, notes, estimate, refusal } of steps) {
    const uses = name === stage ? "" : ` [${stage}]`;
    lines.push(`${name.padEnd(width)}  ${state.padEnd(7)}  ${why}${uses}`);
    const indent = " ".repeat(width + 2);
    if (state !== "cached") lines.push(`${indent}${about}`);
    lines.push(...notes.map((note) => `${indent}note: ${note}`), ...estimate.map((line) => `${indent}${line}`));
    if (refusal !== undefined) lines.push(`${indent}refused: ${refusal.message}; ${refusal.hint}`);
  }
  if (services.length > 0)
    lines.push("", ...services.map(({ name, uses, what }) => `service ${name} (${uses}): ${what}`));
  const count = (state: DryStep["state"]): number => steps.filter((step) => step.state === state).length;
  const whole = wholeRun(steps.filter(({ state }) => state !== "cached"));
  if (whole.length > 0) lines.push("", ...whole);
  lines.push(
    "",
    `would run ${count("run") + count("stale")}, may run ${count("unknown")}, cached ${count("cached")}; nothing was started or written`,
  );
  return lines.join("\n");
}
