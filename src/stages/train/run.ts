import { join } from "node:path";
import type { ManifestDraft } from "../../artifacts/index.js";
import { DraftsmithError, isJsonObject, type JsonObject } from "../../base/index.js";
import { madeWithOthers, openModel } from "../../model/index.js";
import { drawReport } from "../../report/index.js";
import { runJob } from "../../trainer-process/index.js";
import { type InputArtifact, limitedRows, type StageContext } from "../stage.js";
import { parseRendezvous, type TrainOptions } from "./options.js";
import { trainingReport } from "./report.js";

/** How long a stop may take: the step that runs, and a state of 12 bytes a parameter on a slow disk. */
const SAVING_MS = 600_000;

/** Trains a draft from shards in the Python trainer, under torchrun when `processes` asks for it. */
export async function runTrain(
  options: TrainOptions,
  { shards, validation }: { shards: InputArtifact; validation: InputArtifact | undefined },
  context: StageContext,
): Promise<ManifestDraft> {
  await checkTarget(options.model, { "the shards were": shards, "the verdict was": validation });
  const { model, processes, nodes, nodeRank, rendezvous, ...trainer } = options;
  const maxTrainRows = limitedRows(trainer.maxTrainRows, context.limit);
  const result = await runJob({
    job: "train",
    config: {
      target: model,
      shards: shards.path,
      workDir: context.workDir,
      resumeDir: context.resumeDir,
      otherResumeDirs: [...(context.otherResumeDirs ?? [])],
      options: { ...trainer, maxTrainRows } as JsonObject,
    },
    configFile: join(context.resumeDir, "job.json"),
    step: context.step,
    events: context.events,
    signal: context.signal,
    processes,
    graceMs: SAVING_MS,
    ...(nodes === 1 ? {} : { nodes: { count: nodes, rank: nodeRank, ...parseRendezvous(rendezvous ?? "")! } }),
  });
  // Only the first machine of several writes the result.
  if (nodeRank === 0) await drawReport(trainingReport, context.workDir);
  const counts = isJsonObject(result.counts) ? result.counts : {};
  const facts = isJsonObject(result.facts) ? result.facts : {};
  return { counts, facts: { ...facts, summary: summaryOf(facts) } };
}

/** Ids are valid only for one template, tokenizer and processor: the model must be the one the data was made with. */
async function checkTarget(dir: string, inputs: Record<string, InputArtifact | undefined>): Promise<void> {
  const { fingerprints } = await openModel(dir);
  for (const [name, input] of Object.entries(inputs)) {
    const others = madeWithOthers(input?.manifest.facts ?? {}, fingerprints).filter(({ key }) => key !== "config");
    const first = others[0];
    if (first === undefined) continue;
    throw new DraftsmithError(
      "VALIDATION_FAILED",
      `${name} made with another ${first.name} (${first.theirs.slice(0, 12)}) than ${dir} has (${first.ours.slice(0, 12)})`,
      {
        location: { file: input!.path, field: `facts.model.${first.key}` },
        hint: "train against the model directory that the data was made with, or make the data again",
      },
    );
  }
}

function summaryOf(facts: JsonObject): JsonObject[] {
  const best = isJsonObject(facts.best) ? facts.best : {};
  const value = typeof best.pooledAcceptLength === "number" ? best.pooledAcceptLength.toFixed(3) : "unknown";
  const bounds = Array.isArray(best.interval)
    ? ` (${best.interval.map((bound) => Number(bound).toFixed(3)).join(" to ")})`
    : "";
  return [
    {
      label: "best held-out accept length while training",
      value: `${value} pooled${bounds}, at step ${String(best.step ?? "?")} of ${String(facts.steps ?? "?")}`,
    },
    ...(typeof facts.skippedSteps === "number" && facts.skippedSteps > 0
      ? [{ label: "steps skipped, not finite", value: String(facts.skippedSteps) }]
      : []),
  ];
}
