/** Looks at one step: its inputs, its fingerprint, and whether its sealed output still fits. */
import { stat } from "node:fs/promises";
import { type Manifest, openArtifact } from "../artifacts/index.js";
import { DraftsmithError } from "../base/index.js";
import type { InputArtifact, InputSpec } from "../stages/stage.js";
import type { HashCache } from "./content.js";
import { type Fingerprint, fingerprintOf, missingFiles } from "./fingerprint.js";
import { kindsOf } from "./inputs.js";
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

/** Files and directories that these steps and their services name and that are not there, as located errors. */
export async function findMissingFiles(plan: Plan, steps: readonly PlannedStep[]): Promise<DraftsmithError[]> {
  const services = plan.services.filter(({ name }) => steps.some((step) => step.services.includes(name)));
  const owners = [
    ...services.map(({ type, options, path }) => ({ owner: type, options, path })),
    ...steps.map(({ stage, options, path }) => ({ owner: stage, options, path })),
  ];
  const errors: DraftsmithError[] = [];
  const add = (path: Path, file: string): void => {
    if (!errors.some(({ message }) => message === `${file} does not exist`)) errors.push(missing(plan, path, file));
  };
  for (const step of steps) {
    for (const [name, input] of Object.entries(step.inputs)) {
      if (input.from === "path" && !(await exists(input.path))) add([...step.path, "in", name], input.path);
    }
  }
  for (const { owner, options, path } of owners) {
    for (const { place, text } of await missingFiles(owner, options, plan.workspace, exists)) {
      add([...path, "with", ...place.split(".")], text);
    }
  }
  return errors;
}

function missing(plan: Plan, path: Path, file: string): DraftsmithError {
  const { location, frame } = plan.source.error({ message: "", path });
  return new DraftsmithError("INPUT_MISSING", `${file} does not exist`, {
    ...(location === undefined ? {} : { location }),
    ...(frame === undefined ? {} : { frame }),
    hint: "paths in a pipeline file are relative to the file",
  });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
