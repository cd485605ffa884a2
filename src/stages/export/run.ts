import { join } from "node:path";
import { CARD_FILE, type ManifestDraft, writeFileAtomic } from "../../artifacts/index.js";
import { isJsonObject, type JsonObject } from "../../base/index.js";
import { openModel, readDraftConfig } from "../../model/index.js";
import { runJob, trainerPackages } from "../../trainer-process/index.js";
import type { InputArtifact, StageContext } from "../stage.js";
import { modelCard } from "./card.js";
import { checkEvaluation, readFigures } from "./figures.js";
import type { ExportOptions } from "./options.js";

export interface ExportInputs {
  checkpoints: InputArtifact;
  /** For the figures of the card. */
  evaluation: InputArtifact | undefined;
}

/** Writes the directory that SGLang and vLLM load, after checking it against the serving contract, and its card. */
export async function runExport(
  options: ExportOptions,
  { checkpoints, evaluation }: ExportInputs,
  context: StageContext,
): Promise<ManifestDraft> {
  if (evaluation !== undefined) checkEvaluation(checkpoints, evaluation);
  const { model, license, ...trainer } = options;
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
  const counts = isJsonObject(result.counts) ? result.counts : {};
  const facts = isJsonObject(result.facts) ? result.facts : {};
  const checkpoint = typeof facts.checkpoint === "string" ? facts.checkpoint : options.checkpoint;
  const card = modelCard({
    license,
    target: await openModel(model),
    draft: await readDraftConfig(context.workDir),
    checkpoints,
    checkpoint,
    parameters: typeof counts.parameters === "number" ? counts.parameters : 0,
    figures: await readFigures(checkpoints, checkpoint, evaluation),
    packages: await trainerPackages(["torch", "transformers", "safetensors"], context),
  });
  await writeFileAtomic(join(context.workDir, CARD_FILE), card);
  return { counts, facts };
}
