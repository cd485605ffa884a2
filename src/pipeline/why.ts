/** `why`: what has changed about a step since its sealed output was made. */
import type { Manifest } from "../artifacts/index.js";
import { hideSecretsIn } from "../base/index.js";
import { assess, readSealed } from "./assess.js";
import { HashCache } from "./content.js";
import { type Change, describeChange, diffFingerprints } from "./fingerprint-diff.js";
import { fingerprintStep, openInputs } from "./inspect.js";
import type { Plan, PlannedStep } from "./plan-types.js";
import { type PlanOptions, planPipeline } from "./run-pipeline.js";
import { find } from "./select.js";
import { stepDirectory, workspacePaths } from "./workspace.js";

export interface WhyOptions extends PlanOptions {
  step: string;
  limit?: number | undefined;
}

export interface Why {
  step: string;
  verdict: string;
  changes: Change[];
}

/** One answer for each instance of the step. */
export async function whyStep(options: WhyOptions): Promise<Why[]> {
  const plan = await planPipeline(options);
  const cache = await HashCache.load(workspacePaths.hashes(plan.workspace));
  const names = find(plan, options.step, "why");
  const asked = plan.steps.filter(({ name }) => names.includes(name));
  return hideSecretsIn(await Promise.all(asked.map((step) => explain(step, plan, cache, options.limit))));
}

async function explain(step: PlannedStep, plan: Plan, cache: HashCache, limit: number | undefined): Promise<Why> {
  const directory = stepDirectory(plan.workspace, step.name);
  const sealed = await readSealed(directory);
  if (sealed?.fingerprint === undefined)
    return { step: step.name, verdict: "runs: it was never finished here", changes: [] };
  const finished = new Map<string, Manifest>();
  for (const name of step.after) {
    const found = await readSealed(stepDirectory(plan.workspace, name));
    if (found === undefined)
      return { step: step.name, verdict: `runs: ${name}, which it needs, was never finished here`, changes: [] };
    finished.set(name, found.manifest);
  }
  const inspection = { plan, step, finished, limit, cache, verify: false };
  const fingerprint = await fingerprintStep(inspection, await openInputs(inspection));
  const changes = diffFingerprints(sealed.fingerprint, fingerprint);
  if (changes.length > 0) return { step: step.name, verdict: "runs, because of these changes:", changes };
  const verdict = await assess({ directory, fingerprint, cache, force: false, verify: false });
  const upstream = step.after.length === 0 ? "" : ", as long as the steps before it give what they gave";
  return {
    step: step.name,
    verdict: verdict.state === "run" ? `runs: ${verdict.why}` : `cached: nothing changed${upstream}`,
    changes: [],
  };
}

export function formatWhy(answers: readonly Why[]): string {
  return answers
    .flatMap(({ step, verdict, changes }) => [
      `${step} ${verdict}`,
      ...changes.map((change) => `  ${describeChange(change)}`),
    ])
    .join("\n");
}
