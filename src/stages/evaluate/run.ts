import { join } from "node:path";
import type { ManifestDraft } from "../../artifacts/index.js";
import { apiKeyHeaders, isJsonObject, type JsonObject } from "../../base/index.js";
import { openModel } from "../../model/index.js";
import { readFigures, writeReport } from "../../report/index.js";
import { runJob } from "../../trainer-process/index.js";
import { type InputArtifact, limitedRows, type StageContext } from "../stage.js";
import { type Latencies, predict } from "./break-even.js";
import { type MeasuredDraft, measuredDrafts } from "./drafts.js";
import { readEngineLatencies } from "./engine-latencies.js";
import type { EvaluateOptions } from "./options.js";
import { type EvaluationData, evaluationSchema, type ServedReport } from "./report.js";
import { evaluationReport } from "./report-files.js";
import { evaluateServed } from "./served.js";
import { summarise } from "./summary.js";
import { compareTraffic, TRAFFIC_DIRECTORY, trafficSplit } from "./traffic.js";

export interface EvaluateInputs {
  shards: InputArtifact;
  draft: InputArtifact | undefined;
  checkpoints: InputArtifact | undefined;
  other: InputArtifact | undefined;
  /** Shards of production's own requests. */
  traffic?: InputArtifact | undefined;
}

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
  const drafts = await measuredDrafts(options.untrained, inputs);
  const engine = options.engineLatencies === null ? [] : await readEngineLatencies(options.engineLatencies, drafts);
  const {
    model: target,
    untrained,
    engineLatencies,
    server,
    apiKeyEnv,
    serverRows,
    serverConcurrency,
    requestTimeoutSeconds,
    ...trainer
  } = options;
  const measured = { ...trainer, rows: limitedRows(trainer.rows, context.limit) };
  const { workDir, resumeDir, step, events, signal } = context;
  const walk = (of: typeof drafts, config: JsonObject, file: string) => {
    const paths = Object.fromEntries(of.map(({ name, path }) => [name, path]));
    const configFile = join(resumeDir, file);
    return runJob({ job: "evaluate", config: { target, drafts: paths, ...config }, configFile, step, events, signal });
  };
  const result = await walk(drafts, { shards: inputs.shards.path, workDir, options: measured }, "job.json");
  const { traffic } = inputs;
  if (traffic !== undefined) {
    const trained = drafts.filter(({ name }) => name === "trained");
    // The loop has been compared on held-out rows already.
    const own = { ...measured, split: trafficSplit(traffic), compareRows: 0, latencyConcurrency: [] };
    const to = join(workDir, TRAFFIC_DIRECTORY);
    await walk(trained, { shards: traffic.path, workDir: to, options: own }, "traffic-job.json");
  }
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
  const report = await completed(workDir, served, drafts, engine, traffic !== undefined);
  return {
    counts: isJsonObject(result.counts) ? result.counts : {},
    facts: { ...(isJsonObject(result.facts) ? result.facts : {}), summary: summarise(report) },
  };
}

/** Adds to the trainer's figures the server's, those of the traffic, and what follows from both, and writes the report. */
async function completed(
  directory: string,
  served: ServedReport | null,
  drafts: readonly MeasuredDraft[],
  engine: readonly Latencies[],
  hasTraffic: boolean,
): Promise<EvaluationData> {
  const path = join(directory, evaluationReport.file);
  const figures = await readFigures(path);
  if (!isJsonObject(figures)) throw new Error(`${path} is no JSON object`);
  const setups = Object.fromEntries(drafts.map(({ name, setup }) => [name, setup]));
  const traffic = hasTraffic ? await compareTraffic(directory, figures) : null;
  const measured = evaluationSchema.parse({ ...figures, served, traffic, setups, predictions: [] });
  const latencies = [...measured.latencies, ...engine];
  const whole = { ...measured, latencies, predictions: predict(latencies, measured.drafts) };
  await writeReport(evaluationReport, whole, directory);
  return whole;
}
