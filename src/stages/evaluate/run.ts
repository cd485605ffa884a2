import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { ManifestDraft } from "../../artifacts/index.js";
import { apiKeyHeaders, DraftsmithError, isJsonObject, type JsonObject } from "../../base/index.js";
import { openModel } from "../../model/index.js";
import { writeReport } from "../../report/index.js";
import { runJob } from "../../trainer-process/index.js";
import { type InputArtifact, limitedRows, type StageContext } from "../stage.js";
import type { EvaluateOptions } from "./options.js";
import { type EvaluationData, evaluationReport, evaluationSchema, type ServedReport } from "./report.js";
import { evaluateServed } from "./served.js";
import { summarise } from "./summary.js";

export interface EvaluateInputs {
  shards: InputArtifact;
  draft: InputArtifact | undefined;
  checkpoints: InputArtifact | undefined;
}

const bestSchema = z.looseObject({ path: z.string() });

/**
 * Measures the accept length of a draft: offline and exactly, by walking the target's answers; with a real
 * draft-and-verify loop on some of them; and, if a server is named, as that server reports it, with its answers compared
 * with greedy ones.
 */
export async function runEvaluate(
  options: EvaluateOptions,
  inputs: EvaluateInputs,
  context: StageContext,
): Promise<ManifestDraft> {
  // Before the trainer's long work, though only the server's turn needs it.
  const headers = options.server === null ? {} : apiKeyHeaders(options.apiKeyEnv);
  const model = await openModel(options.model);
  const drafts = await draftsOf(options, inputs);
  const {
    model: target,
    untrained,
    server,
    apiKeyEnv,
    serverRows,
    serverConcurrency,
    requestTimeoutSeconds,
    ...trainer
  } = options;
  const result = await runJob({
    job: "evaluate",
    config: {
      target,
      shards: inputs.shards.path,
      drafts,
      workDir: context.workDir,
      options: { ...trainer, rows: limitedRows(trainer.rows, context.limit) },
    },
    configFile: join(context.resumeDir, "job.json"),
    step: context.step,
    events: context.events,
    signal: context.signal,
  });
  const served =
    options.server === null
      ? null
      : await evaluateServed({
          server: options.server,
          headers,
          shards: inputs.shards.path,
          imagePadId: model.specialIds.imagePad,
          stopTokenIds: model.specialIds.stop,
          options: { ...options, serverRows: limitedRows(options.serverRows, context.limit) },
          context,
        });
  const report = await addServed(context.workDir, served);
  return {
    counts: isJsonObject(result.counts) ? result.counts : {},
    facts: { ...(isJsonObject(result.facts) ? result.facts : {}), summary: summarise(report) },
  };
}

/** Directories of the drafts to measure, by name. */
async function draftsOf(options: EvaluateOptions, { draft, checkpoints }: EvaluateInputs): Promise<JsonObject> {
  const trained = draft?.path ?? (checkpoints === undefined ? undefined : await bestOf(checkpoints.path));
  if (trained === undefined) {
    throw new DraftsmithError("OPTIONS_INVALID", "evaluate needs a draft: give the input draft or checkpoints", {
      location: { field: "in" },
    });
  }
  const untrained =
    options.untrained && checkpoints !== undefined ? { untrained: join(checkpoints.path, "untrained") } : {};
  return { trained, ...untrained };
}

async function bestOf(checkpoints: string): Promise<string> {
  const best = bestSchema.parse(JSON.parse(await readFile(join(checkpoints, "best.json"), "utf8")));
  return join(checkpoints, best.path);
}

/** Adds the server's figures to those of the trainer and rewrites the file. */
async function addServed(directory: string, served: ServedReport | null): Promise<EvaluationData> {
  const path = join(directory, evaluationReport.file);
  const figures: unknown = JSON.parse(await readFile(path, "utf8"));
  if (!isJsonObject(figures)) throw new Error(`${path} is no JSON object`);
  const whole = { ...figures, served };
  await writeReport(evaluationReport, whole, directory);
  return evaluationSchema.parse(whole);
}
