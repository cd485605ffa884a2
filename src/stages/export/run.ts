import { join } from "node:path";
import type { ManifestDraft } from "../../artifacts/index.js";
import { isJsonObject, type JsonObject } from "../../base/index.js";
import { runJob } from "../../trainer-process/index.js";
import type { InputArtifact, StageContext } from "../stage.js";
import type { ExportOptions } from "./options.js";

/** Writes the directory that SGLang and vLLM load, after checking it against the serving contract. */
export async function runExport(
  options: ExportOptions,
  checkpoints: InputArtifact,
  context: StageContext,
): Promise<ManifestDraft> {
  const { model, ...trainer } = options;
  const result = await runJob({
    job: "export",
    config: {
      target: model,
      checkpoints: checkpoints.path,
      workDir: context.workDir,
      options: trainer as JsonObject,
    },
    configFile: join(context.resumeDir, "job.json"),
    step: context.step,
    events: context.events,
    signal: context.signal,
  });
  return {
    counts: isJsonObject(result.counts) ? result.counts : {},
    facts: isJsonObject(result.facts) ? result.facts : {},
  };
}
