/** How good the draft is, as far as training and evaluation have measured it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DraftsmithError, fromErrno, type JsonValue } from "../../base/index.js";
import { formatNumber } from "../../events/index.js";
import type { InputArtifact } from "../stage.js";

export interface Figure {
  name: string;
  value: number;
  /** 95 %, over dialogues; null where it was not computed. */
  interval: [number, number] | null;
  on: string;
}

export interface Figures {
  lines: Figure[];
  /** Accept length that the evaluation compares with. */
  breakEven: number | undefined;
}

const interval = z.tuple([z.number(), z.number()]).nullish();
const bestSchema = z.looseObject({ path: z.string(), step: z.number(), pooledAcceptLength: z.number(), interval });
const evaluationSchema = z.looseObject({
  split: z.string(),
  breakEven: z.number(),
  drafts: z.looseObject({
    trained: z.looseObject({
      responses: z.number(),
      dialogues: z.number().optional(),
      pooledAcceptLength: z.number(),
      interval,
      meanAcceptLength: z.number().optional(),
      meanInterval: interval,
    }),
  }),
  served: z.looseObject({ answers: z.number(), pooledAcceptLength: z.number(), identical: z.number() }).nullish(),
});

/**
 * @param checkpoint - name of the exported checkpoint's directory
 * @throws DraftsmithError ARTIFACT_INVALID for an evaluation without these figures
 */
export async function readFigures(
  checkpoints: InputArtifact,
  checkpoint: string,
  evaluation: InputArtifact | undefined,
): Promise<Figures> {
  const lines = trainingFigures(checkpoints.manifest.facts.best, checkpoint);
  if (evaluation === undefined) return { lines, breakEven: undefined };
  const { split, breakEven, drafts, served } = await readEvaluation(join(evaluation.path, "evaluation.json"));
  const { trained } = drafts;
  const dialogues = trained.dialogues === undefined ? "" : ` of ${formatNumber(trained.dialogues)} dialogues`;
  const on = `${formatNumber(trained.responses)} answers${dialogues} (${split})`;
  lines.push({
    name: "pooled over all steps",
    value: trained.pooledAcceptLength,
    interval: trained.interval ?? null,
    on,
  });
  if (trained.meanAcceptLength !== undefined) {
    const mean = { value: trained.meanAcceptLength, interval: trained.meanInterval ?? null };
    lines.push({ name: "mean of the answers' own", ...mean, on });
  }
  if (served !== null && served !== undefined) {
    const equal = `${formatNumber(served.identical)} of ${formatNumber(served.answers)} answers equal to plain decoding`;
    lines.push({ name: "as a server counted it", value: served.pooledAcceptLength, interval: null, on: equal });
  }
  return { lines, breakEven };
}

/** @throws DraftsmithError OPTIONS_INVALID for an evaluation of other checkpoints */
export function checkEvaluation(checkpoints: InputArtifact, evaluation: InputArtifact): void {
  const measured = evaluation.manifest.inputs.checkpoints?.digest;
  if (measured === checkpoints.manifest.digest) return;
  const what = measured === undefined ? "does not say which checkpoints it measured" : "measured other checkpoints";
  throw new DraftsmithError("OPTIONS_INVALID", `the evaluation ${what}`, {
    location: { file: evaluation.path, field: "in.evaluation" },
    hint: "give evaluate the same checkpoints as an input",
  });
}

/** Training measures the best checkpoint; the figure says nothing about another one. */
function trainingFigures(best: JsonValue | undefined, checkpoint: string): Figure[] {
  const parsed = bestSchema.safeParse(best);
  if (!parsed.success || parsed.data.path.split("/").at(-1) !== checkpoint) return [];
  const { step, pooledAcceptLength: value } = parsed.data;
  const on = `held-out rows while training, at step ${formatNumber(step)}`;
  return [{ name: "pooled, while training", value, interval: parsed.data.interval ?? null, on }];
}

async function readEvaluation(file: string): Promise<z.infer<typeof evaluationSchema>> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw fromErrno(error, file);
  }
  const parsed = evaluationSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new DraftsmithError("ARTIFACT_INVALID", `${file}: ${issue?.path.join(".")}: ${issue?.message}`, {
    location: { file },
    hint: "evaluate again with this version",
  });
}
