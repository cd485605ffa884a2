/** What flows into each step: every input named, present and of the right kind, before anything runs. */
import { resolve } from "node:path";
import { type ArtifactKind, readManifest } from "../artifacts/index.js";
import { isDraftsmithError, plainNumbers } from "../base/index.js";
import { type InputSpec, outputKind } from "../stages/stage.js";
import { refusal, selectInstances } from "./expand.js";
import type { LoadedPipeline } from "./load.js";
import type { PlanContext, PlannedInput, PlannedStep } from "./plan-types.js";
import { parseStepName, substitute } from "./references.js";
import { makeResolver } from "./resolve.js";
import type { Path } from "./source.js";
import { suggestion } from "./suggest.js";

/** Fills in `inputs` and `after` of every step. */
export async function planInputs(
  steps: readonly PlannedStep[],
  loaded: LoadedPipeline,
  context: PlanContext,
): Promise<void> {
  for (const step of steps) {
    const entry = loaded.content.steps[step.base]!;
    const specs = step.stage.inputs as Record<string, InputSpec>;
    for (const [name, text] of Object.entries(entry.in ?? {})) {
      const path = [...step.path, "in", name];
      const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
      if (spec === undefined) {
        const hint = suggestion(name, Object.keys(specs), "inputs");
        throw context.source.error({ message: `${step.stage.name} has no input ${name}`, path, hint, atKey: true });
      }
      const input = planInput(step, text, path, context);
      await checkKind(input, spec, steps, path, context);
      step.inputs[name] = input;
      if (input.from === "step" && !step.after.includes(input.step)) step.after.push(input.step);
    }
    const missing = Object.entries(specs).find(
      ([name, spec]) => spec.optional !== true && step.inputs[name] === undefined,
    );
    if (missing !== undefined) throw missingInput(step, missing[0], missing[1], steps, context);
  }
}

function planInput(step: PlannedStep, text: string, path: Path, context: PlanContext): PlannedInput {
  const named = parseStepName(text);
  if (named !== undefined) {
    const wanted = selectInstances({ ...named, path, text }, step.matrix, context.instances, context.source);
    const [only] = wanted;
    if (only === undefined || named.selector === "*") {
      throw context.source.error({
        message: `an input takes one artifact, not ${text}`,
        path,
        hint: `name one of ${wanted.map(({ name }) => name).join(", ")}, or ${named.name} for one each`,
      });
    }
    return { from: "step", step: only.name };
  }
  const referenced = new Set<string>();
  const refuse = refusal(context.source);
  const resolver = makeResolver({ context, values: step.matrix, property: () => "", used: new Set(), referenced });
  const value = substitute(
    text,
    path,
    (reference, place) => {
      if (reference.kind === "services") throw refuse(place, "a service cannot be an input");
      if (reference.kind === "steps")
        throw refuse(place, "an input names a step without ${ }", `write ${reference.name}`);
      return resolver(reference, place);
    },
    refuse,
  );
  return { from: "path", path: resolve(context.directory, String(plainNumbers(value))) };
}

async function checkKind(
  input: PlannedInput,
  spec: InputSpec,
  steps: readonly PlannedStep[],
  path: Path,
  context: PlanContext,
): Promise<void> {
  const kind = await kindOf(input, steps);
  const wanted = kindsOf(spec);
  if (kind === undefined || wanted.includes(kind)) return;
  const makers = steps.filter((step) => wanted.includes(kindMadeBy(step))).map(({ name }) => name);
  const from = input.from === "step" ? `step ${input.step}` : input.path;
  throw context.source.error({
    message: `${from} makes ${kind}, but ${String(path.at(-1))} takes ${wanted.join(" or ")}`,
    path,
    hint:
      makers.length === 0
        ? `no step of this pipeline makes ${wanted.join(" or ")}`
        : `steps that make it: ${makers.join(", ")}`,
  });
}

/** Undefined for a path that is not there (yet): opening it will say so when the step runs. */
async function kindOf(input: PlannedInput, steps: readonly PlannedStep[]): Promise<ArtifactKind | undefined> {
  if (input.from === "step") {
    const maker = steps.find(({ name }) => name === input.step);
    return maker && kindMadeBy(maker);
  }
  try {
    return (await readManifest(input.path)).kind;
  } catch (error) {
    if (isDraftsmithError(error)) return undefined;
    throw error;
  }
}

function missingInput(
  step: PlannedStep,
  name: string,
  spec: InputSpec,
  steps: readonly PlannedStep[],
  context: PlanContext,
): Error {
  const wanted = kindsOf(spec);
  const makers = [...new Set(steps.filter((other) => wanted.includes(kindMadeBy(other))).map(({ base }) => base))];
  return context.source.error({
    message: `${step.base} is missing its input ${name} (${wanted.join(" or ")}): ${spec.description}`,
    path: step.path,
    atKey: true,
    hint: makers.length === 0 ? `add in: {${name}: ./directory}` : `add in: {${name}: ${makers[0]}}`,
  });
}

function kindMadeBy({ stage, options }: PlannedStep): ArtifactKind {
  return outputKind(stage, options);
}

export function kindsOf(spec: InputSpec): readonly ArtifactKind[] {
  return typeof spec.kind === "string" ? [spec.kind] : spec.kind;
}
