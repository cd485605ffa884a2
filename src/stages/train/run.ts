import { join } from "node:path";
import type { ManifestDraft } from "../../artifacts/index.js";
import { isJsonObject, type JsonObject } from "../../base/index.js";
import { runJob } from "../../python/index.js";
import type { InputArtifact, StageContext } from "../stage.js";
import type { TrainOptions } from "./options.js";

/** Trains a draft from shards in the Python trainer, under torchrun when `processes` asks for it. */
export async function runTrain(
  options: TrainOptions,
  shards: InputArtifact,
  context: StageContext,
): Promise<ManifestDraft> {
  const { model, processes, ...trainer } = options;
  const maxTrainRows = smallest(trainer.maxTrainRows, context.limit);
  const result = await runJob({
    job: "train",
    config: {
      target: model,
      shards: shards.path,
      workDir: context.workDir,
      resumeDir: context.resumeDir,
      options: { ...trainer, maxTrainRows } as JsonObject,
    },
    configFile: join(context.resumeDir, "job.json"),
    step: context.step,
    events: context.events,
    signal: context.signal,
    processes,
  });
  const counts = isJsonObject(result.counts) ? result.counts : {};
  const facts = isJsonObject(result.facts) ? result.facts : {};
  return { counts, facts: { ...facts, summary: summaryOf(facts) } };
}

function smallest(a: number | null, b: number | undefined): number | null {
  if (b === undefined) return a;
  return a === null ? b : Math.min(a, b);
}

function summaryOf(facts: JsonObject): JsonObject[] {
  const best = isJsonObject(facts.best) ? facts.best : {};
  const value = typeof best.pooledAcceptLength === "number" ? best.pooledAcceptLength.toFixed(3) : "unknown";
  return [
    {
      label: "best held-out accept length while training",
      value: `${value} pooled, at step ${String(best.step ?? "?")} of ${String(facts.steps ?? "?")}`,
    },
  ];
}
