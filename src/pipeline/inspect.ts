/** Looks at one step: its inputs, its fingerprint, and whether its sealed output still fits. */
import { type Manifest, openArtifact } from "../artifacts/index.js";
import { DraftsmithError, defined, type FileProblem } from "../base/index.js";
import type { InputArtifact, InputSpec } from "../stages/stage.js";
import type { HashCache } from "./content.js";
import { type Fingerprint, fingerprintOf, insideSteps } from "./fingerprint.js";
import { kindsOf } from "./inputs.js";
import { type NamedPath, namedPaths, pathProblem } from "./paths.js";
import type { Plan, PlannedStep } from "./plan-types.js";
import type { Path } from "./source.js";
import { stepDirectory } from "./workspace.js";

/** Manifests of the steps that are finished, by step name. */
export type Finished = ReadonlyMap<string, Manifest>;

export interface InspectRequest {
  plan: Plan;
  step: PlannedStep;
  finished: Finished;
  limit: number | undefined;
  cache: HashCache;
  verify: boolean;
}

/** Opens the inputs of a step whose needed steps are all finished. */
export async function openInputs({
  plan,
  step,
  finished,
  verify,
}: InspectRequest): Promise<Record<string, InputArtifact | undefined>> {
  const specs = step.stage.inputs as Record<string, InputSpec>;
  const opened: Record<string, InputArtifact | undefined> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const input = step.inputs[name];
    if (input === undefined) opened[name] = undefined;
    else if (input.from === "path") opened[name] = await openArtifact(input.path, kindsOf(spec), { verify });
    else opened[name] = { path: stepDirectory(plan.workspace, input.step), manifest: manifestOf(input.step, finished) };
  }
  return opened;
}

export async function fingerprintStep(
  { plan, step, finished, limit, cache }: InspectRequest,
  inputs: Record<string, InputArtifact | undefined>,
): Promise<Fingerprint> {
  return fingerprintOf({
    step,
    services: plan.services,
    digestOfStep: (name) => manifestOf(name, finished).digest,
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input?.manifest])),
    limit,
    workspace: plan.workspace,
    cache,
  });
}

function manifestOf(step: string, finished: Finished): Manifest {
  const manifest = finished.get(step);
  if (manifest === undefined) throw new Error(`step ${step} is not finished`);
  return manifest;
}

/** What is wrong with the paths that these steps and their services name, as located errors. */
export async function findPathProblems(plan: Plan, steps: readonly PlannedStep[]): Promise<DraftsmithError[]> {
  const services = plan.services.filter(({ name }) => steps.some((step) => step.services.includes(name)));
  const owners = [
    ...services.map(({ type, options, path }) => ({ owner: type, options, path })),
    ...steps.map(({ stage, options, path }) => ({ owner: stage, options, path })),
  ];
  const errors: DraftsmithError[] = [];
  const look = async (named: NamedPath, path: Path): Promise<void> => {
    const problem = await pathProblem(named);
    // Several steps name the same model: once is enough.
    if (problem === undefined || errors.some(({ message }) => message === problem.message)) return;
    errors.push(located(plan, path, problem));
  };
  for (const step of steps) {
    for (const [name, input] of Object.entries(step.inputs)) {
      if (input.from !== "path") continue;
      await look({ place: name, text: input.path, kind: "directory", isNeutral: false }, [...step.path, "in", name]);
    }
  }
  for (const { owner, options, path } of owners) {
    for (const named of namedPaths(owner, options)) {
      if (insideSteps(named.text, plan.workspace) !== undefined) continue;
      await look(named, [...path, "with", ...named.place.split(".")]);
    }
  }
  return errors;
}

function located(plan: Plan, path: Path, { code, message, hint }: FileProblem): DraftsmithError {
  const { location, frame } = plan.source.error({ message: "", path });
  return new DraftsmithError(code, message, {
    ...defined({ location, frame }),
    hint: hint ?? "paths in a pipeline file are relative to the file",
  });
}
