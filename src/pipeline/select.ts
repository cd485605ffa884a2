/** `--from`, `--until` and `--force`: which steps of a plan a run looks at. */
import { DraftsmithError } from "../base/index.js";
import { withAncestors, withDescendants } from "./graph.js";
import type { Plan, PlannedStep } from "./plan-types.js";
import { suggestion } from "./suggest.js";

export interface SelectionRequest {
  /** Steps before this one are used as they are, without a check of what they were made from. */
  from?: string | undefined;
  /** Steps that this one does not need are left out. */
  until?: string | undefined;
  /** Steps that run even when nothing changed. */
  force?: readonly string[] | undefined;
}

export interface Selection {
  steps: PlannedStep[];
  /** Taken as they are. */
  asIs: ReadonlySet<string>;
  forced: ReadonlySet<string>;
}

export function selectSteps(plan: Plan, { from, until, force = [] }: SelectionRequest): Selection {
  const every = plan.steps.map(({ name }) => name);
  const wanted = until === undefined ? new Set(every) : withAncestors(plan.steps, find(plan, until, "--until"));
  const forced = new Set(force.flatMap((name) => find(plan, name, "--force")));
  if (from === undefined) {
    return { steps: plan.steps.filter(({ name }) => wanted.has(name)), asIs: new Set(), forced };
  }
  const active = [...withDescendants(plan.steps, find(plan, from, "--from"))].filter((name) => wanted.has(name));
  if (active.length === 0) {
    throw new DraftsmithError("USAGE", `--until ${until} does not need ${from}, so nothing is left to run`, {
      hint: "leave one of --from and --until out",
    });
  }
  // Steps before those are not checked at all: their outputs may have been removed to save space.
  const needed = new Set(
    plan.steps.filter(({ name }) => active.includes(name)).flatMap(({ name, after }) => [name, ...after]),
  );
  return {
    steps: plan.steps.filter(({ name }) => needed.has(name)),
    asIs: new Set([...needed].filter((name) => !active.includes(name))),
    forced,
  };
}

/** The step of this name, or all that a matrix made of it. */
export function find(plan: Plan, name: string, flag: string): string[] {
  const found = plan.steps.filter((step) => step.name === name || step.base === name).map((step) => step.name);
  if (found.length > 0) return found;
  const names = plan.steps.map((step) => step.name);
  throw new DraftsmithError("USAGE", `${flag}: there is no step ${name}`, { hint: suggestion(name, names, "steps") });
}
