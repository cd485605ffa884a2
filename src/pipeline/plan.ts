/** From a loaded pipeline to a plan: stages found, options checked, inputs typed, order known. Touches no data. */
import { dirname, resolve } from "node:path";
import { defined, hideSecretsIn, plainNumbers } from "../base/index.js";
import type { Stage } from "../stages/stage.js";
import { checkAgreement } from "./agreement.js";
import { expandSteps, type Instance, refusal, type StepReference, stepReferences } from "./expand.js";
import { CycleError, topologicalOrder } from "./graph.js";
import { planInputs } from "./inputs.js";
import type { Issue } from "./issues.js";
import { issuesError, type LoadedPipeline } from "./load.js";
import { parseOptions } from "./options.js";
import type { Plan, PlanContext, PlannedStep, ServiceProperty, StageRegistry } from "./plan-types.js";
import { findReferences, substitute } from "./references.js";
import { makeResolver, serviceReferences } from "./resolve.js";
import { placeholder, type ServiceRegistry } from "./services/index.js";
import { planServices } from "./services/plan.js";
import type { Path } from "./source.js";
import { suggestion } from "./suggest.js";
import { Variables } from "./variables.js";

export interface PlanRequest {
  loaded: LoadedPipeline;
  stages: StageRegistry;
  services: ServiceRegistry;
  workspace: string;
}

/** @throws DraftsmithError PIPELINE_INVALID with the place in the file. */
export async function makePlan(request: PlanRequest): Promise<Plan> {
  const { loaded, workspace } = request;
  const { source, content } = loaded;
  const refuse = refusal(source);
  const stages = await loadStages(request);
  const references = baseReferences(loaded, request.services);
  const instances = expandSteps(
    baseOrder(loaded, references),
    content.steps,
    (base) => references.get(base) ?? [],
    source,
  );
  const variables = new Variables(content.variables ?? {}, refuse);
  const early: PlanContext = { source, directory: dirname(loaded.file), workspace, variables, instances, services: [] };
  const services = planServices(content.services ?? {}, request.services, early);
  const context = { ...early, services };

  const steps = Object.keys(content.steps).flatMap((base) =>
    (instances.get(base) ?? []).map((instance) => planStep(instance, stages.get(base)!, loaded, context)),
  );
  await planInputs(steps, loaded, context);
  const order = topologicalOrder(steps).map((name) => steps.find((step) => step.name === name)!);
  const warnings = await checkAgreement({ steps: order, services, source });
  return {
    name: content.name,
    description: content.description,
    file: loaded.file,
    directory: context.directory,
    source,
    workspace: resolve(workspace),
    variables: plainNumbers(variables.all()) as Plan["variables"],
    steps: order,
    services,
    expected: content.expect == null ? undefined : (plainNumbers(content.expect) as Plan["expected"]),
    warnings,
  };
}

async function loadStages({ loaded, stages }: PlanRequest): Promise<Map<string, Stage>> {
  const found = new Map<string, Stage>();
  for (const [base, { uses }] of Object.entries(loaded.content.steps)) {
    if (!stages.names.includes(uses)) {
      const hint = suggestion(uses, stages.names, "stages");
      throw loaded.source.error({ message: `there is no stage ${uses}`, hint, path: ["steps", base, "uses"] });
    }
    found.set(base, await stages.load(uses));
  }
  return found;
}

/** What each step refers to, its services' references included, all checked to exist. */
function baseReferences({ source, content }: LoadedPipeline, types: ServiceRegistry): Map<string, StepReference[]> {
  const names = Object.keys(content.steps);
  const refuse = refusal(source);
  const services = serviceReferences(content, types, source);
  return new Map(
    Object.entries(content.steps).map(([base, entry]) => {
      const used = findReferences(entry.with ?? {}, ["steps", base, "with"], refuse).flatMap(({ reference }) =>
        reference.kind === "services" ? (services.get(reference.name) ?? []) : [],
      );
      const all = [...stepReferences(base, entry, source), ...used];
      for (const { name, path, text } of all) {
        if (names.includes(name)) continue;
        const hint =
          path[2] === "in" && !text.includes("$")
            ? `${suggestion(name, names, "steps")} (a path needs a slash: ./${text})`
            : suggestion(name, names, "steps");
        throw source.error({ message: `there is no step ${name}`, path, within: text, hint });
      }
      return [base, all];
    }),
  );
}

function baseOrder({ source, content }: LoadedPipeline, references: Map<string, StepReference[]>): string[] {
  const nodes = Object.keys(content.steps).map((name) => ({
    name,
    after: (references.get(name) ?? []).map((reference) => reference.name),
  }));
  try {
    return topologicalOrder(nodes);
  } catch (error) {
    if (!(error instanceof CycleError)) throw error;
    const [first = "", second] = error.cycle;
    const guilty = references.get(first)?.find(({ name }) => name === second);
    throw source.error({
      message: error.message,
      path: guilty?.path ?? ["steps", first],
      hint: "a step can only read what an earlier one makes",
      ...defined({ within: guilty?.text }),
    });
  }
}

function planStep(instance: Instance, stage: Stage, loaded: LoadedPipeline, context: PlanContext): PlannedStep {
  const { source, directory } = context;
  const entry = loaded.content.steps[instance.base]!;
  const path = ["steps", instance.base];
  const used = new Set<string>();
  const referenced = new Set<string>();
  const resolveWith = (property: ServiceProperty): Record<string, unknown> => {
    const resolver = makeResolver({ context, values: instance.values, property, used, referenced });
    const value = substitute(entry.with ?? {}, [...path, "with"], resolver, refusal(source));
    const result = parseOptions(stage, value, directory);
    if ("issues" in result)
      throw issuesError(
        source,
        [...path, "with"],
        result.issues.map((issue) => withValue(issue, entry.with, value)),
      );
    return result.options;
  };
  const options = resolveWith(placeholder);
  const services = [...used];
  const viaServices = context.services.filter(({ name }) => used.has(name)).flatMap(({ references }) => references);
  return {
    name: instance.name,
    base: instance.base,
    stage,
    description: entry.description,
    matrix: instance.values,
    inputs: {},
    options,
    references: [...referenced],
    after: [...new Set([...referenced, ...viaServices])],
    services,
    resolve: resolveWith,
    path,
  };
}

/** An issue at a reference tells what the reference stands for: the line itself does not show it. */
function withValue(issue: Issue, written: unknown, value: unknown): Issue {
  const text = valueAt(written, issue.path);
  if (issue.atKey || typeof text !== "string" || !text.includes("${")) return issue;
  const key = String(issue.path.findLast((part) => typeof part === "string") ?? "");
  const { [key]: shown } = hideSecretsIn({ [key]: valueAt(value, issue.path) });
  return { ...issue, hint: `${text} is ${JSON.stringify(shown)}` };
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (node, key) =>
      typeof node === "object" && node !== null ? (node as Record<string | number, unknown>)[key] : undefined,
    value,
  );
}
